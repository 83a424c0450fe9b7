"""Folders with a train and a predict function, which know nothing of messages."""
