"""Training a run again: what it was made of, what stands in the way, the work tree, the comparison."""
