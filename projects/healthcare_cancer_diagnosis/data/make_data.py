"""Writes ``cancer_diagnosis.csv``: the Wisconsin breast cancer table (569 tumours), as scikit-learn ships it.

Run it as ``python projects/healthcare_cancer_diagnosis/data/make_data.py [output.csv]``.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer


def main() -> None:
    """Write the table to the path on the command line, or beside this script."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("cancer_diagnosis.csv")
    table = load_breast_cancer()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*table.feature_names, "diagnosis"])
        for row, target in zip(table.data.tolist(), table.target.tolist(), strict=True):
            writer.writerow([*row, table.target_names[target]])
    print(f"{path}: {len(table.target)} rows")


if __name__ == "__main__":
    main()
