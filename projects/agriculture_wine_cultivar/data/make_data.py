"""Writes ``wine_cultivar.csv``: the wine recognition table (178 wines of three cultivars), as scikit-learn ships it.

Run it as ``python projects/agriculture_wine_cultivar/data/make_data.py [output.csv]``.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from sklearn.datasets import load_wine


def main() -> None:
    """Write the table to the path on the command line, or beside this script."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("wine_cultivar.csv")
    table = load_wine()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*table.feature_names, "cultivar"])
        for row, target in zip(table.data.tolist(), table.target.tolist(), strict=True):
            writer.writerow([*row, table.target_names[target]])
    print(f"{path}: {len(table.target)} rows")


if __name__ == "__main__":
    main()
