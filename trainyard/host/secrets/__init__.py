"""Credentials of builds, and the search for them in what is kept."""
