"""Which of two copies of one photograph is the worse one: by its finest detail, its levels, what is laid over it."""
