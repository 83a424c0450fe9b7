"""Published assets: models that were trained elsewhere, or packed by make package, on their way into an image."""
