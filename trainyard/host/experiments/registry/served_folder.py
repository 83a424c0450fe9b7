"""The folder that a daemon serves a registered version from: what is put there is swapped in by the daemon itself."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from trainyard.contract.files import read_json, replacing, sha256_of, write_whole
from trainyard.contract.model_files import BESIDE_JSON, BINARY, Files, files_of, is_compiled, more_files, record_name
from trainyard.contract.records import binary_path, dump_record, read_record
from trainyard.errors import ModelUnavailable


def place_version(files: Path, model_name: str, folder: Path) -> None:
    """Put the files of a version, record and all that it names, into ``folder``, each whole.

    Compiled forms, which are named by their content, come first and the binary last. The record goes before it and
    names what is replaced as well, so that the old version loads until all of the new one is there.

    Raises:
        OSError: no permission, no space; what is served is then still the old version.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = _record_in(files, model_name)
    content, _ = read_json(files / record)
    named = files_of(content, model_name)
    if _is_there(folder, record, content, named):  # a server may be loading it: files that are replaced have changed
        _remove_others(folder, {record, *named})
        return
    compiled = [name for name in named if is_compiled(name, model_name)]
    others = sorted(named.keys() - set(compiled), key=lambda name: (name == f"{model_name}{BINARY}", name))
    for name in compiled:
        _copy(files / name, folder / name)
    replaced = _replaced(binary_path(folder, model_name), more_files(content, model_name))
    content = _without_replaced(content) | replaced
    write_whole(folder / record, dump_record(content))
    if record != f"{model_name}{BESIDE_JSON}":
        (folder / f"{model_name}{BESIDE_JSON}").unlink(missing_ok=True)
    for name in others:
        _copy(files / name, folder / name)
    _remove_others(folder, {record, *named})


def _is_there(folder: Path, record: str, content: dict[str, Any], named: Files) -> bool:
    try:
        before, _ = read_json(folder / record)
        same = all(sha256_of(folder / name) == digest for name, digest in named.items())
    except (OSError, ValueError):
        return False
    return same and isinstance(before, dict) and _without_replaced(before) == _without_replaced(content)


def _without_replaced(content: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if not key.startswith("replaces")}


def _record_in(files: Path, model_name: str) -> str:
    beside = f"{model_name}{BESIDE_JSON}"
    return beside if (files / beside).is_file() else record_name((), model_name)


def _replaced(binary: Path, more: Files) -> dict[str, object]:
    found: dict[str, object] = {"replaces": sha256_of(binary)} if binary.is_file() else {}
    with contextlib.suppress(ModelUnavailable):
        name = binary.name.removesuffix(BINARY)
        before = read_record(binary) or {}
        if more or more_files(before, name):
            found["replaces_files"] = files_of(before, name)
    return found


def _remove_others(folder: Path, kept: set[str]) -> None:
    for parent, _, names in os.walk(folder, topdown=False):
        for path in (Path(parent, name) for name in names):
            if path.relative_to(folder).as_posix() not in kept:
                path.unlink(missing_ok=True)
        if Path(parent) != folder:
            with contextlib.suppress(OSError):  # not empty
                Path(parent).rmdir()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
