"""A daemon of two groups of models, and its processes."""

import sys
from pathlib import Path

# Both groups are served from the environment of these tests: what is tested is how they work together.
SAME = {"VENV_2": sys.prefix}
FIRST, SECOND = "/first/predict", "/second/predict"


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
