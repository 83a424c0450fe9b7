"""Trains in small source folders, by the command that a train image runs."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

from waiting import until

PAYLOAD = {"$ref": "data/prices.csv", "model_name": "price"}
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}


class Sources:
    """A source root as a train image has it: ``shop/train.py``, ``data/`` and ``models/``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.models = root / "models"
        self.binary = self.models / "price.pkl"
        for folder in (".s2i", "shop", "data", "models"):
            (root / folder).mkdir(parents=True)
        (root / ".s2i/environment").write_text("TRAIN_MODULE=shop.train\n")
        (root / "data/prices.csv").write_text("size,price\n1,10\n")

    def write(self, body: str, head: str = "") -> None:
        """Write ``shop/train.py`` with ``body`` as its train function."""
        lines = ["import os, pickle, sys, time", textwrap.dedent(head), "def train(msg):"]
        (self.root / "shop/train.py").write_text(
            "\n".join([*lines, textwrap.indent(textwrap.dedent(body), "    "), ""])
        )

    def start(self, payload=PAYLOAD, prefix=(), **environ: str) -> subprocess.Popen:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "trainyard.image.train"],
            cwd=self.root,
            env=ENVIRONMENT | {"PAYLOAD": text} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def train(self, payload=PAYLOAD, prefix=(), **environ: str) -> tuple[int, str, str]:
        """``(exit status, stdout, stderr)`` of one training."""
        process = self.start(payload, prefix, **environ)
        out, error = process.communicate(timeout=60)
        return process.returncode, out, error

    def record(self, name: str = "price") -> dict:
        return json.loads((self.models / f"{name}.json").read_text())

    def listing(self) -> list[str]:
        return sorted(path.name for path in self.models.iterdir())

    def wait_for(self, name: str, seconds: float = 20) -> None:
        """Until the train function has written the file ``name`` into ``data/``."""
        until((self.root / "data" / name).exists, seconds)
