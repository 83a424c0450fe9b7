"""What has to be asked of package indexes before a net is written: TensorFlow is not there for every Python, and
PyTorch from PyPI takes 5 GB on Linux, most of it CUDA, without which it cannot be imported."""

from __future__ import annotations

from trainyard.errors import TrainyardError
from trainyard.host.requirements.wheels import ONE_PYTHON_BASE, Asked
from trainyard.host.support.reporter import Reporter

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
TENSORFLOW = ("tensorflow-cpu", "tensorflow")  # the former is for some platforms alone, and half as large there
NOT_THERE = "no wheels with a matching"  # says uv
_GOOD_PYTHON = "3.12"


def check_tensorflow(asked: Asked) -> None:
    """See that the images can have it; where no index answers, that is for later.

    Raises:
        TrainyardError: it has no wheel for their Python.
    """
    target = asked.target()
    complaints = [asked.complaint([name], target) for name in TENSORFLOW]
    if all(complaints) and NOT_THERE in " ".join(" ".join(complaints).split()):
        raise TrainyardError(
            f"FRAMEWORK=keras: TensorFlow has no wheel for Python {target.python}, which the images have",
            f"set BASE_IMAGE={ONE_PYTHON_BASE.format(_GOOD_PYTHON)} (ENGINE=process: make .venv with another Python, "
            "by PYTHON), or say FRAMEWORK=pytorch",
        )


def index_of_torch(asked: Asked, reporter: Reporter) -> str:
    """The index that requirements have to name for a PyTorch without CUDA; empty where none is needed, or it cannot be
    reached, of which there is a warning."""
    target = asked.target()
    if asked.newest("torch", target).endswith("+cpu"):  # from EXTRA_INDEX_URL
        return ""
    with reporter.waiting(f"Asking {CPU_INDEX} ..."):
        if asked.newest("torch", target, "--default-index", CPU_INDEX):
            return CPU_INDEX
    reporter.warn(
        f"{CPU_INDEX} does not answer, so requirements_train.txt does not name it, and on Linux PyTorch takes 5 GB, "
        "most of it CUDA: set EXTRA_INDEX_URL to a mirror of it, or add the line that docs/start.md shows"
    )
    return ""
