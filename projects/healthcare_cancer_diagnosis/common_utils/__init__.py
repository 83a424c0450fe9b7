"""Shared by this project's models."""
