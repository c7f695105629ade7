"""Which files are pictures, which caption belongs to each, and where data sets come from."""
