"""The folder that a daemon serves a registered version from: what is put there is swapped in by the daemon itself."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from trainyard.files import replacing, sha256_of, write_whole
from trainyard.records import dump_record


def place_version(files: Path, model_name: str, folder: Path) -> None:
    """Put the files of a version (record, binary, compiled form) into ``folder``, each whole.

    The binary comes last. Its record, which goes first, names the one that is replaced as well, so that the pair loads
    at any moment; a compiled form is named by its content and lies beside the old one.

    Raises:
        OSError: no permission, no space; what is served is then still the old version.
    """
    folder.mkdir(parents=True, exist_ok=True)
    binary, record = folder / f"{model_name}.pkl", f"{model_name}.json"
    names = [path.name for path in files.iterdir() if path.name not in (binary.name, record)]
    for name in names:
        _copy(files / name, folder / name)
    content = json.loads((files / record).read_bytes())
    content.pop("replaces", None)
    if binary.is_file():
        content["replaces"] = sha256_of(binary)
    write_whole(folder / record, dump_record(content))
    _copy(files / binary.name, binary)
    for path in folder.glob(f"{model_name}.*.onnx"):
        if path.name not in names:
            path.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
