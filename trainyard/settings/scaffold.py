"""What the verbs that write, rename and remove model directories listen to.

They are read from make's command line alone: ``NAME`` and ``PROJECT`` mean other things in many environments.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainyard.settings.declarations import FromEnvironment, setting


@dataclass(frozen=True)
class ScaffoldSettings(FromEnvironment):
    """Settings of ``make new-project``, ``make new-model``, ``make adopt``, ``make rename``, ``make remove`` and
    ``make import``."""

    source: str = setting(
        "FROM",
        "",
        "make import: the folder, or the URL of a git repository, that is brought here; "
        "make data-push: a file or folder; make data-pull: <store>:<path>; make configure: where training data is, "
        "<store>:<prefix>",
    )
    project: str = setting(
        "PROJECT", "", "make new-project, make new-model, make adopt, make import: the folder below projects/"
    )
    name: str = setting(
        "NAME",
        "",
        "make new-model, make adopt: the model's folder below its project; default: the framework, or the file; "
        "make datastore-add: what the data store shall be called",
    )
    dataset: str = setting(
        "DATASET",
        "",
        "make new-model, make adopt: a table; one that lies outside of the project is copied into its data/",
    )
    target: str = setting(
        "TARGET", "", "make new-model, make adopt: the column to predict; default of make new-model: the last one"
    )
    keep: str = setting(
        "KEEP", "", "make new-model: columns, separated by commas, to keep though their values only tell rows apart"
    )
    framework: str = setting(
        "FRAMEWORK",
        "",
        "make new-model: scikit-learn (default), xgboost, catboost, lightgbm, pytorch, keras, or plain: your own code; "
        "make configure: what the model is made with",
    )
    family: str = setting("FAMILY", "", "make new-model with scikit-learn: linear (default), forest or boosting")
    serialization: str = setting(
        "SERIALIZATION",
        "",
        "make new-model: xgboost and catboost: onnx (default) or native; lightgbm: pickle (default) or native; "
        "make configure: the form in which the model is saved",
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
    model_file: str = setting("MODEL_FILE", "", "make adopt: the file of a fitted model")
    model: str = setting(
        "MODEL", "", "make rename, make remove: the model, as <project>/<model>; make ci-report: several"
    )
    to: str = setting(
        "TO",
        "",
        "make rename: what the model shall be called, as <project>/<model>; make data-push: <store>:<path>; "
        "make data-pull: a folder; make configure: where results go, <store>:<prefix>",
    )
