"""A model and all that belongs to it, renamed, moved to another project, or removed."""
