"""The place for what models of every project share; it goes into every image.

What Trainyard itself has for models is ``trainyard.models``. The modules here keep the names that it had before.
"""
