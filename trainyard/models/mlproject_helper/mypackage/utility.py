"""What projects of the older retrain service import: the same functions by their historical names."""

from trainyard.models.registering import auto_compare_and_register, get_combination

__all__ = ["auto_compare_and_register", "get_combination"]
