"""What the columns of a table are, and what a model will do with them."""
