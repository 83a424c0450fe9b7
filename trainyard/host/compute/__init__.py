"""Computes by name: other machines, and clusters, that run the images of this one."""
