"""make experiment: a training, or a search, as a file describes it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from trainyard.errors import TrainyardError
from trainyard.host.data.datastores import read_datastores
from trainyard.host.data.newest import CSV, chosen, version
from trainyard.host.data.store import joined
from trainyard.host.experiments.config import read_config
from trainyard.host.experiments.experiment_file import FILES, Experiment, ExperimentFile, read_experiment, spelt_as
from trainyard.host.experiments.parameters import defaults_of, with_params
from trainyard.host.monorepo.model_dir import ModelDir
from trainyard.host.operations.on_compute.experiment_files import computing_of, searched_by
from trainyard.host.operations.payloads import given_payload
from trainyard.host.operations.session import Session
from trainyard.host.operations.train import train


def experiment(session: Session, folder: Path) -> None:
    """Train, or tune, what the file CONFIG says.

    Raises:
        TrainyardError: there is no such file, it has a mistake, or it leaves open which model is meant.
    """
    path = _file(session, folder)
    asked = read_experiment(path)
    model = _model(session, folder, asked)
    session.reporter.step(f"{session.short(path)}: {model.name}")
    for line in asked.ignored:
        session.reporter.warn(line)
    described = _as_settings(session, model, asked)
    described = searched_by(replace(described, given_computing=computing_of(session, asked)), asked)
    if not asked.experiment.hypertune:
        train(described, model)
        return
    _show_fixed(session, model, asked)
    _install_extras(session)
    from trainyard.host.verbs.tune import tune

    tune(described, model)


def _show_fixed(session: Session, model: ModelDir, asked: ExperimentFile) -> None:
    """Print which of the parameters that config.yaml has to tune the experiment file fixes.

    Raises:
        TrainyardError: those are all.
    """
    tuned = read_config(model.path).tuned
    named = spelt_as(tuned, {name: name for name in asked.experiment.params})
    lines = [f"{asked.where(named[name])}: {name} is fixed here, so it is not tuned" for name in tuned if name in named]
    if tuned and len(lines) == len(tuned):
        raise TrainyardError(
            f"{lines[0]}, and nothing else is left to tune", "remove it there, or say HYPERTUNE: false"
        )
    for line in lines:
        session.reporter.warn(line)


def _file(session: Session, folder: Path) -> Path:
    """CONFIG, in the folder or at the top; where it is not set, the one of its usual names that the folder has."""
    given = session.experiments.config
    names = (given,) if given else FILES
    bases = (folder, session.repository.root) if given else (folder,)
    found = [base / name for name in names for base in bases if (base / name).is_file()]
    if not found:
        where = f"CONFIG={given}: no such file" if given else f"{folder}: no {' and no '.join(FILES)}"
        raise TrainyardError(where, "name one: make experiment CONFIG=exp_config.json")
    if len(found) > 1 and not given:
        raise TrainyardError(f"{folder}: both {' and '.join(FILES)}", f"say which: CONFIG={FILES[0]}")
    return found[0]


def _model(session: Session, folder: Path, asked: ExperimentFile) -> ModelDir:
    """The model that make was called for, else the one that the file names, by itself or by its image."""
    content, file = asked.experiment, asked.file
    repository = session.repository
    if folder != repository.root:
        model = repository.model(folder)
        if content.model not in ("", model.name, model.path.name):
            raise TrainyardError(
                f"{file.where(('model',))}: MODEL is {content.model}, and this is {model.name}", "go to its folder"
            )
        return model
    image = content.docker_image.rpartition("/")[2].partition(":")[0]
    for path in repository.every_model_path():
        if content.model and content.model == f"{path.parent.name}/{path.name}":
            return repository.model(path)
        if not content.model and image and image in (name := repository.model(path).container_name, f"{name}-train"):
            return repository.model(path)
    known = ", ".join(f"{path.parent.name}/{path.name}" for path in repository.every_model_path())
    if content.model:
        raise TrainyardError(f"{file.where(('model',))}: there is no model {content.model}", f"there are {known}")
    raise TrainyardError(f"{file.path} names no model", f"add a key MODEL, or say MODEL=...; there are {known}")


def _as_settings(session: Session, model: ModelDir, asked: ExperimentFile) -> Session:
    """The session of somebody who says on the command line what the file says. PAYLOAD wins over it."""
    content = asked.experiment
    image = content.docker_image.rpartition("/")[2].partition(":")[0]
    if image and image not in (model.container_name, model.image("train")):
        session.reporter.warn(
            f"{asked.file.where(('docker_image',))}: DOCKER_IMAGE means nothing here: {model.name} has its own"
        )
    own = given_payload(session)
    payload: dict[str, Any] = {**_datasets(session, model, asked)}
    if content.eval_conf is not None:
        payload["eval_conf"] = content.eval_conf
    params = spelt_as(defaults_of(model), content.params)
    payload = with_params(payload | own, params, {})
    tags = {**content.tags, "train_set": Path(payload.get("$ref", model.dataset_name)).name}
    if "$test_ref" in payload:
        tags["test_set"] = Path(payload["$test_ref"]).name
    description = session.experiments.description or content.description
    given = replace(session.experiments, description=description)
    return replace(session, settings=replace(session.settings, payload=json.dumps(payload)), given=given, tags=tags)


def _datasets(session: Session, model: ModelDir, asked: ExperimentFile) -> dict[str, str]:
    """The paths of the files that it names, as the train function finds them."""
    content, file = asked.experiment, asked.file
    stores = read_datastores(session.repository.root).entries
    if content.data_mount in stores:
        return _datasets_of_store(content)
    folder, found = data_folder(model.project / "data", content.data_mount, content.image_type)
    if not found and content.data_mount and stores:
        raise TrainyardError(
            f"{file.where(('data_mount',))}: there is no data store {content.data_mount}, and no such folder in data/",
            f"datastores.yaml has {', '.join(stores)}",
        )
    if not found:
        names = " and ".join(name for name in (content.data_mount, content.image_type) if name)
        session.reporter.warn(f"{file.path}: {folder} has no folder {names}: its files are looked for in {folder}")
    paths = {}
    for key, name, purpose in (("$ref", "train_csv", "train"), ("$test_ref", "test_csv", "test")):
        if wanted := getattr(content, name):
            there = [path.name for path in folder.glob(f"*{CSV}") if path.is_file()]
            where = f"{file.where((name,))}: {name.upper()}"
            paths[key] = folder / chosen(there, wanted, purpose, where, str(folder), CSV)
    if len(paths) == 2 and version(paths["$ref"].name) != version(paths["$test_ref"].name):
        session.reporter.warn(f"{file.path}: {paths['$ref'].name} and {paths['$test_ref'].name} are not of one version")
    return {key: path.relative_to(model.project).as_posix() for key, path in paths.items()}


def _datasets_of_store(content: Experiment) -> dict[str, str]:
    """The same in a data store, by name: DATA_MOUNT is the store, IMAGE_TYPE the folder in it, which is there whole."""
    store, folder = content.data_mount, content.image_type.strip("/")
    paths = {"$data": f"{store}:{folder}"}
    for key, wanted in (("$ref", content.train_csv), ("$test_ref", content.test_csv)):
        if wanted:
            paths[key] = f"{store}:{joined(folder, wanted if wanted.endswith(CSV) else f'{wanted}{CSV}')}"
    return paths


def data_folder(data: Path, *names: str) -> tuple[Path, bool]:
    """The folder in ``data`` that has all of the names, the first around the second, or the last of them, or one;
    ``data`` itself where there is none such, and whether the names led anywhere."""
    given = [name for name in names if name]
    for parts in (given, given[-1:], given[:1]):
        folder = data.joinpath(*parts)
        if parts and ".." not in Path(*parts).parts and folder.is_relative_to(data) and folder.is_dir():
            return folder, True
    return data, not given


def _install_extras(session: Session) -> None:
    """What tunes is installed when it is needed, as make does for make tune."""
    root = session.repository.root
    if subprocess.run(["sh", str(root / "mk/setup.sh"), str(root), "experiments"], check=False).returncode:
        raise TrainyardError("what make tune needs could not be installed", "see above")
