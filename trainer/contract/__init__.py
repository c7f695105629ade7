"""The contract between trainer and screen, the only part that loratui imports; free of torch."""
