"""The columns of this project's dataset, in the order of a prediction instance."""

from trainyard.models.tables import Schema

SCHEMA = Schema(
    features=(
        "age",
        "sex",
        "bmi",
        "bp",
        "s1",
        "s2",
        "s3",
        "s4",
        "s5",
        "s6",
    ),
    label="progression",
    numeric_label=True,
)
