"""The columns of the census-income (adult) table, in the order of a prediction instance."""

from trainyard.models.tables import Schema

SCHEMA = Schema(
    features=(
        "age",
        "workclass",
        "fnlwgt",
        "education",
        "educational-num",
        "marital-status",
        "occupation",
        "relationship",
        "race",
        "gender",
        "capital-gain",
        "capital-loss",
        "hours-per-week",
        "native-country",
    ),
    label="income",
    categorical=frozenset(
        {
            "workclass",
            "education",
            "marital-status",
            "occupation",
            "relationship",
            "race",
            "gender",
            "native-country",
        }
    ),
)
