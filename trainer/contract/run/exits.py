"""Exit codes, the same for `python -m trainer` and `loratui replay`."""

DONE = 0
USAGE = 2  # bad usage or answers
DATASET = 3  # dataset refused
FAILED = 4  # training failed
RUNNING = 5  # already running
OUTPUT = 74  # the standard output could not be written
MEMORY = 75  # out of memory
STOPPED = 130
