"""The screens of runs that are over: one, two side by side, all of a folder."""
