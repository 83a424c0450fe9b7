"""Registered versions: making them, comparing them with the champion, putting them where a daemon serves them."""
