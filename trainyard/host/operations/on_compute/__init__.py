"""Use cases of computes: train and tune there, come back to what was left, look at them, tidy up."""
