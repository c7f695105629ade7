"""How copies of one photograph are compared."""
