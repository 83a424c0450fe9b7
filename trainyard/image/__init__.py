"""What runs in images: training, serving, the check of the wiring."""
