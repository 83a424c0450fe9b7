"""Every setting, declared once, by who reads it. The host and the images have this folder.

``os.environ`` is read here alone.
"""
