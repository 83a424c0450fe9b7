"""What train scripts of the MLflow retraining layout call before they train: a dataset fetched, parameters combined."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.settings.own_process import callers_environment

_USERINFO = re.compile(r"(?<=://)[^/\s@]*@")
MODEL_SCRIPT, DATASET_SCRIPT = "model-downloader.sh", "dataset-extractor.sh"


def get_combination(*values: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Every combination of one value of each list, the last list changing fastest."""
    return list(itertools.product(*values))


def data_and_model_prep(
    dst_dir: str = "new_dataset", repo_url: str = "", ds_origin: str = "http", json_dir: str = "data_uri.json"
) -> None:
    """Fetch a dataset into ``dst_dir``, and the base model where ``json_dir`` names one.

    Args:
        dst_dir: a folder, made where it is missing.
        repo_url: a git repository that has its dataset in DVC; for ``ds_origin="dvc_repo"``.
        ds_origin: ``dvc_repo``, or ``http``: the script dataset-extractor.sh beside the train script fetches it.
        json_dir: a JSON file with the addresses ``model`` and ``dataset``; the scripts find them as MODEL_URI and
            DATASET_URI.

    Raises:
        TrainyardError: another ``ds_origin``, or git, dvc or a script failed; the message names it.
    """
    if ds_origin not in ("http", "dvc_repo"):
        raise TrainyardError(f"ds_origin {ds_origin!r} is not known", 'give "http" or "dvc_repo"')
    target = Path(dst_dir)
    target.mkdir(parents=True, exist_ok=True)
    Path("version").mkdir(exist_ok=True)
    addresses = _addresses(Path(json_dir), needed=ds_origin == "http")
    if "model" in addresses:
        _run_script(MODEL_SCRIPT, {"MODEL_URI": addresses["model"]})
    if ds_origin == "http":
        _run_script(DATASET_SCRIPT, {"DATASET_URI": addresses.get("dataset", ""), "DST_DIR": dst_dir})
    else:
        _from_dvc(repo_url, target)


def _addresses(path: Path, *, needed: bool) -> Mapping[str, str]:
    if not needed and not path.exists():
        return {}
    try:
        found = json.loads(path.read_bytes())
        return {str(name): str(address) for name, address in found.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise TrainyardError(f"{path}: not an object of addresses ({error})", "name model and dataset in it") from None


def _run_script(name: str, variables: Mapping[str, str]) -> None:
    if not Path(name).is_file():
        raise TrainyardError(f"{name}: no such script", "put it beside the train script")
    _run(["bash", name], env={**callers_environment(), **variables})


def _from_dvc(url: str, target: Path) -> None:
    """What the repository's ``.dvc`` files at the top name: a folder's entries, or a file."""
    if not url.endswith(".git") or url.startswith("-"):
        raise TrainyardError(f"repo_url {url!r} is not that of a git repository", "it ends in .git")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "dataset"
        _run(["git", "clone", "--quiet", "--depth", "1", url, str(clone)])
        _run(["dvc", "pull"], cwd=clone)
        pulled = [path.with_suffix("") for path in sorted(clone.glob("[!.]*.dvc"))]
        if not pulled:
            raise TrainyardError(f"{url} has no dataset in DVC", "add one: dvc add <folder>")
        for path in pulled:
            if path.is_dir():
                shutil.copytree(path, target, dirs_exist_ok=True)
            else:
                shutil.copy(path, target)


def _run(argv: list[str], **options: Any) -> None:
    try:
        done = subprocess.run(argv, check=False, stderr=subprocess.PIPE, text=True, errors="replace", **options)
    except FileNotFoundError:
        raise TrainyardError(f"{argv[0]} is not installed in this image", "install it in setup.sh") from None
    sys.stderr.write(_USERINFO.sub("", done.stderr))  # a URL may have a password
    if done.returncode:
        raise TrainyardError(f"{' '.join(argv[:2])} failed with status {done.returncode}", "see above", EXIT_FAILED)
