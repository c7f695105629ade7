"""What is read of small files from outside: bounded bytes, and JSON or TOML of the shape that was asked for."""
