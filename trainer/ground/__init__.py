"""What everything in the trainer stands on: random draws, processes, the machine, digests."""
