"""The wizard: one file a step, its helpers beside it."""
