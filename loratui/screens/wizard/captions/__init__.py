"""Captions in the wizard: the workbench, words by a model, and the question before a file is written."""
