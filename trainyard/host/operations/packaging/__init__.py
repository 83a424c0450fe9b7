"""Training packages: what somebody needs who trains a model on data of their own, and what comes of it."""
