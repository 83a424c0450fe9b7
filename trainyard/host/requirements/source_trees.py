"""A package's folder as a source distribution. Its code is not run: what only running it would say is not known."""

from __future__ import annotations

import ast
import configparser
import fnmatch
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from trainyard.host.monorepo.sources import EXCLUDED_AT_TOP, tree
from trainyard.host.requirements.local_packages import LocalPackage, packed
from trainyard.host.support.context import only_files

LEFT_BY_BUILDS = ("build", "dist", "*.egg-info", "src/*.egg-info", ".eggs")


@dataclass(frozen=True)
class Facts:
    """What a project says of itself. ``extras``: what each of them requires besides."""

    name: str
    version: str
    requires: tuple[str, ...]
    extras: dict[str, tuple[str, ...]]
    python: str = ""

    def metadata(self) -> str:
        """As METADATA and PKG-INFO have it (core metadata 2.2)."""
        lines = ["Metadata-Version: 2.2", f"Name: {self.name}", f"Version: {self.version}"]
        lines += [f"Requires-Python: {self.python}"] if self.python else []
        lines += [f"Requires-Dist: {one}" for one in self.requires]
        for extra, required in self.extras.items():
            lines.append(f"Provides-Extra: {extra}")
            lines += [f"Requires-Dist: {_for_extra(one, extra)}" for one in required]
        return "\n".join(lines) + "\n"


def package_of_folder(folder: Path, root: Path) -> LocalPackage:
    """The source distribution of what lies in a folder; of a model's own, without data, binaries and wiring. No link
    leads out of ``root``.

    Raises:
        ValueError: name, version or dependencies are not written out.
        OSError: a file cannot be read.
    """
    facts = _facts(folder)
    stem = f"{re.sub('[-_.]+', '_', facts.name).lower()}-{facts.version}"
    is_model = (folder / ".s2i").is_dir()
    ignored = LEFT_BY_BUILDS + (EXCLUDED_AT_TOP if is_model else ())
    found = only_files(tree(folder, PurePosixPath(stem), root))
    files = [(str(file.path), file.read(), file.executable) for file in found if not _stays_out(file.path, ignored)]
    files = [file for file in files if file[0] != f"{stem}/PKG-INFO"]
    info = (f"{stem}/PKG-INFO", facts.metadata().encode(), False)
    return LocalPackage(facts.name, facts.version, f"{stem}.zip", packed([info, *files]), facts.metadata())


def _stays_out(path: PurePosixPath, patterns: tuple[str, ...]) -> bool:
    """Whether a pattern matches the first one or two names below the top of an archive."""
    parts = path.parts[1:]
    return any(fnmatch.fnmatchcase(name, pattern) for name in (parts[0], "/".join(parts[:2])) for pattern in patterns)


def _facts(folder: Path) -> Facts:
    project = folder / "pyproject.toml"
    try:
        table = tomllib.loads(project.read_text()).get("project") if project.is_file() else None
    except ValueError as error:
        raise ValueError(f"pyproject.toml is damaged: {error}") from None
    if table:
        return _of_table(table)
    if (folder / "setup.cfg").is_file() and (facts := _of_setup_cfg(folder / "setup.cfg")):
        return facts
    if (folder / "setup.py").is_file():
        return _of_setup_py(folder / "setup.py")
    raise ValueError("it has neither a pyproject.toml with [project] nor a setup.py")


def _of_table(table: dict[str, Any]) -> Facts:
    computed = {"version", "dependencies", "optional-dependencies"} & set(table.get("dynamic", []))
    if computed or not {"name", "version"} <= table.keys():
        missing = ", ".join(sorted(computed)) or "name, version"
        raise ValueError(f"pyproject.toml does not write out its {missing} under [project]")
    extras = {extra: tuple(required) for extra, required in table.get("optional-dependencies", {}).items()}
    requires = tuple(table.get("dependencies", ()))
    return Facts(table["name"], str(table["version"]), requires, extras, table.get("requires-python", ""))


def _of_setup_cfg(path: Path) -> Facts | None:
    """None where it does not name a package: its setup.py does then."""
    config = configparser.ConfigParser(interpolation=None)
    try:
        config.read_string(path.read_text())
    except configparser.Error as error:
        raise ValueError(f"setup.cfg is damaged: {error}".splitlines()[0]) from None
    name, version = (config.get("metadata", key, fallback="") for key in ("name", "version"))
    if not name:
        return None
    required = config.get("options", "install_requires", fallback="")
    for key, value in (("version", version or "attr:"), ("install_requires", required)):
        if re.match(r"(attr|file):", value.strip()):
            raise ValueError(f"setup.cfg does not write out its {key}")
    extras = config["options.extras_require"] if config.has_section("options.extras_require") else {}
    python = config.get("options", "python_requires", fallback="")
    return Facts(name, version, _listed(required), {key: _listed(value) for key, value in extras.items()}, python)


def _of_setup_py(path: Path) -> Facts:
    try:
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    except SyntaxError as error:
        raise ValueError(f"setup.py:{error.lineno}: {error.msg}") from None
    call = next((node for node in calls if ast.unparse(node.func).rpartition(".")[2] == "setup"), None)
    given = {keyword.arg: keyword.value for keyword in call.keywords} if call else {}
    found: dict[str, Any] = {}
    for key in ("name", "version", "install_requires", "extras_require", "python_requires"):
        if key in given:
            try:
                found[key] = ast.literal_eval(given[key])
            except ValueError:
                raise ValueError(f"setup.py computes its {key}: write it out") from None
    if None in given or not {"name", "version"} <= found.keys():
        raise ValueError("setup.py does not write out name and version")
    required = found.get("install_requires", ())
    extras = {key: _listed(value) for key, value in found.get("extras_require", {}).items()}
    return Facts(found["name"], str(found["version"]), _listed(required), extras, found.get("python_requires", ""))


def _listed(value: Any) -> tuple[str, ...]:
    lines = value.splitlines() if isinstance(value, str) else value
    return tuple(line.strip() for line in lines if line.strip() and not line.strip().startswith("#"))


def _for_extra(required: str, extra: str) -> str:
    body, _, marker = required.partition(";")
    condition = f"({marker.strip()}) and extra == '{extra}'" if marker.strip() else f"extra == '{extra}'"
    return f"{body.strip()} ; {condition}"
