"""From the body of a request to the answer of the user's function."""
