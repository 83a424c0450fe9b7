"""Monorepos in the historical layout: a ``build.sh``, Makefiles with recipes, ``.s2i/environment`` in each model."""
