"""`python -m trainer.captioner`: writes captions beside pictures."""
