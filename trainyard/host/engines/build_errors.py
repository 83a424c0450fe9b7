"""Failures of assemble, as classes: recognised where its output is read, and nowhere else."""

from __future__ import annotations

import re

from trainyard.errors import TrainyardError
from trainyard.host.support.command import Causes


class Damaged(TrainyardError):
    """What is installed in the image below is not what it was: it has to be made anew."""


class BadWiring(TrainyardError):
    """The context's own .s2i/environment is wrong; the message begins with that path and the line."""


CAUSES: Causes = (
    (re.compile("what is installed is damaged"), Damaged),  # builders/common/damage.sh
    (re.compile(r"^\.s2i/environment\b"), BadWiring),  # trainyard/image/user_code.py, builders/common.sh
)
