"""A fitted model that was never trained here becomes a model directory that serves it."""
