"""What a model's code uses that the locked versions of its packages do not have any more. No code of it is run."""
