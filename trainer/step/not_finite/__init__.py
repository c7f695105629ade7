"""A step whose loss or gradient is not finite: computed again, and looked at for the cause."""
