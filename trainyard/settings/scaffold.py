"""What the verbs that write model directories listen to.

They are read from make's command line alone: ``NAME`` and ``PROJECT`` mean other things in many environments.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainyard.settings.declarations import FromEnvironment, setting


@dataclass(frozen=True)
class ScaffoldSettings(FromEnvironment):
    """Settings of ``make new-project`` and ``make new-model``; what is not given is asked for on a terminal."""

    project: str = setting("PROJECT", "", "make new-project, make new-model: the folder below projects/")
    name: str = setting("NAME", "", "make new-model: the model's folder below its project; default: the framework")
    dataset: str = setting(
        "DATASET", "", "make new-model: a table; one that lies outside of the project is copied into its data/"
    )
    target: str = setting("TARGET", "", "make new-model: the column to predict; default: the last one")
    framework: str = setting(
        "FRAMEWORK",
        "",
        "make new-model: scikit-learn (default), xgboost, catboost, lightgbm, pytorch, keras, or plain: your own code",
    )
    family: str = setting("FAMILY", "", "make new-model with scikit-learn: linear (default), forest or boosting")
    serialization: str = setting(
        "SERIALIZATION",
        "",
        "make new-model: xgboost and catboost: onnx (default) or native; lightgbm: pickle (default) or native",
    )
    task: str = setting(
        "TASK", "", "make new-model: classification or regression; default: what the values of TARGET are"
    )
    encoding: str = setting("ENCODING", "", "make new-model: of a text file that is not UTF-8, such as cp1252")
    separator: str = setting(
        "SEPARATOR",
        "",
        "make new-model: what stands between the fields of a text file, where its first lines do not say it",
    )
