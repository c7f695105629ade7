"""The campaign: kills, failed system calls, hostile inputs and races, on the real program; `python -m tests.faults`."""
