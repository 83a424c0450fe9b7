"""Data stores by name: what they hold, which version a dataset's name means, and a cache of what was fetched."""
