"""What a training was asked for, what it gave, and which one serves: configuration, runs, tracking, tuning, registry.

A floor above the engines: nothing of theirs imports it.
"""
