"""Trainyard: source-to-image builder images and a Make-based monorepo for machine-learning models."""

__version__ = "0.1.0"
