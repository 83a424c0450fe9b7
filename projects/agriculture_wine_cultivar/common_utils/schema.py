"""The columns of this project's dataset, in the order of a prediction instance."""

from trainyard.models.tables import Schema

SCHEMA = Schema(
    features=(
        "alcohol",
        "malic_acid",
        "ash",
        "alcalinity_of_ash",
        "magnesium",
        "total_phenols",
        "flavanoids",
        "nonflavanoid_phenols",
        "proanthocyanins",
        "color_intensity",
        "hue",
        "od280/od315_of_diluted_wines",
        "proline",
    ),
    label="cultivar",
)
