"""What the models of this project share."""

import csv


def read_rows(path):
    """The numbers of a CSV file below its header."""
    with open(path) as f:
        reader = csv.reader(f)
        next(reader)
        return [[float(value) for value in row] for row in reader]
