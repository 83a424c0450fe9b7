"""What the file of a fitted model says of itself, read without its library: nothing in it is loaded or run."""
