"""The checks of the dataset doctor, one file a finding or a measurement."""
