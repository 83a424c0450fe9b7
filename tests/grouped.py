"""A monorepo with models that cannot share an environment: small ones, that say which version answers."""

from __future__ import annotations

from pathlib import Path

from monorepo import Model, Monorepo


def add_with_toolz(repo: Monorepo, name: str, version: str, project: str = "sums") -> Model:
    """A model that needs this toolz, and answers which one it has, and by which process."""
    model = repo.add_model(name, project)
    (model.path / "requirements_predict.txt").write_text(f"toolz=={version}\n")
    model.replace("predict.py", "import pickle\n", "import pickle\n\nimport toolz\n")
    model.replace("predict.py", "return {", 'return {"toolz": toolz.__version__, "pid": os.getpid(), ')
    return model


def toolz_repo(path: Path, engine: str = "process") -> Monorepo:
    """``one`` and ``three`` need another toolz than ``two``; an ``all/`` merges them."""
    repo = Monorepo(path, engine)
    for name, version in (("one", "0.12.1"), ("two", "1.0.0"), ("three", "0.12.1")):
        add_with_toolz(repo, name, version)
    repo.add_all(models="one two three")
    return repo
