"""The context that most s2i tests build: one model without a binary, in a package of its own."""

from __future__ import annotations

from pathlib import Path

PREDICT = """
from pathlib import Path

OFFSET = float((Path(__file__).parent / "offset.txt").read_text())


def predict(msg):
    return {"predictions": [OFFSET + sum(row) for row in msg.payload["instances"]]}
"""

FILES = {
    ".s2i/environment": "ROUTES=sum/predict:shop.sum.predict:predict\n",
    "shop/sum/predict.py": PREDICT,
    "shop/sum/offset.txt": "0.5\n",
}


def write_context(folder: Path, files: dict[str, str] | None = None) -> Path:
    """The files above below ``folder``; ``files`` are added, or replaced."""
    for name, text in {**FILES, **(files or {})}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder
