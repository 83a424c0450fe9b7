"""Brings what was written for other layouts and tools below ``projects/``: read as text, never executed.

A kind of source is a module with a ``KIND`` (``kinds.py`` lists them): it reads a ``SourceTree`` and returns ``Unit``
objects, which say what to write and what the user has to know. ``importer.py`` stages, checks and moves them in place.
"""
