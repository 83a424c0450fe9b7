"""Writes ``diabetes_progression.csv``: the diabetes table of Efron and others (442 patients), as scikit-learn ships it,
in the original units.

Run it as ``python projects/healthcare_diabetes_progression/data/make_data.py [output.csv]``.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from sklearn.datasets import load_diabetes


def main() -> None:
    """Write the table to the path on the command line, or beside this script."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("diabetes_progression.csv")
    table = load_diabetes(scaled=False)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*table.feature_names, "progression"])
        for row, target in zip(table.data.tolist(), table.target.tolist(), strict=True):
            writer.writerow([*row, target])
    print(f"{path}: {len(table.target)} rows")


if __name__ == "__main__":
    main()
