"""From what a model requires to a lock: requirements files, other tools' locks, resolving, conflicts."""
