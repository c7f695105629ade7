"""`python -m trainer.materialise`: a data set written out as an ordinary folder of pictures."""
