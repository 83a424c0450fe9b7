"""Trainyard against other ways to serve the same models: ``make bench-serving``; see docs/serving.md."""
