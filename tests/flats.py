"""A table as people have it, made up: missing values, dates, words, an identifier, a constant."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path

CITIES = ("Bonn", "Köln", "Ulm")
WORDS = ("a", "nice", "old", "flat", "near", "the", "river")
Target = Callable[[random.Random, float], object]


def write_table(path: Path, target: Target, separator: str = ",") -> Path:
    """300 rows, whose column ``wanted`` follows from the second."""
    chance = random.Random(7)
    with path.open("w", newline="") as file:
        out = csv.writer(file, delimiter=separator)
        out.writerow(["id", "größe", "$ price", "city", "since", "pets", "note", "country", "it's", "wanted"])
        for number in range(300):
            size = round(chance.uniform(20, 120), 1)
            row = [1000 + number, size if chance.random() > 0.1 else "NA", chance.randint(1, 99),
                   chance.choice(CITIES) if chance.random() > 0.1 else "", f"202{number % 5}-01-1{number % 9}",
                   chance.choice(["yes", "no"]), " ".join(chance.choices(WORDS, k=5)),
                   "DE", chance.random(), target(chance, size)]  # fmt: skip
            out.writerow(row)
    return path


def by_size(chance: random.Random, size: float) -> object:
    return "large" if size + chance.uniform(-5, 5) > 70 else "small"


def of_three(chance: random.Random, size: float) -> object:
    return int(size // 41)


def number(chance: random.Random, size: float) -> object:
    return round(size * 12.5 + chance.uniform(-30, 30), 2)
