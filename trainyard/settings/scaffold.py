"""What the verbs listen to that make, move and remove model directories."""

from __future__ import annotations

from dataclasses import dataclass

from trainyard.settings.declarations import FromEnvironment, setting


@dataclass(frozen=True)
class ScaffoldSettings(FromEnvironment):
    """Settings of ``make adopt``, ``make rename`` and ``make remove``, as make's command line gives them."""

    model: str = setting("MODEL", "", "make rename, make remove: the model, as <project>/<model>")
    to: str = setting("TO", "", "make rename: what the model shall be called, as <project>/<model>")
    model_file: str = setting("MODEL_FILE", "", "make adopt: the file of a fitted model")
    dataset: str = setting("DATASET", "", "make adopt: a table with rows as the model takes them, as data/x.csv")
    project: str = setting("PROJECT", "", "make adopt: the project; default: the one that has the dataset, or adopted")
    name: str = setting("NAME", "", "make adopt: the folder of the model; default: after its file")
    target: str = setting("TARGET", "", "make adopt: the column of the table that the model predicts")
