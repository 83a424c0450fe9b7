"""Requirements that say where their package is: a file or a folder beside the model, a commit of git, a URL."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from trainyard.errors import TrainyardError
from trainyard.host.requirements.local_packages import LocalPackage, read_archive
from trainyard.host.requirements.requirement_text import Line

_NAMED = re.compile(r"([A-Za-z0-9][\w.-]*)\s*(\[[^\]]*\])?\s*@\s*(\S.*)")
_MARKER = re.compile(r"\s+;\s*|;\s+")
_EXTRAS = re.compile(r"(.*?)(\[[\w\s.,-]+\])")
_COMMIT = re.compile(r"git\+(?P<url>.+)@(?P<commit>[0-9a-f]{40})(?:#(?P<fragment>.*))?")
WHEEL = "or build a wheel of it (pip wheel --no-deps --wheel-dir wheels <it>) and write ./wheels/<name>.whl"


def resolve_direct(line: Line, text: str, below: Path, cache: Path) -> tuple[Line, LocalPackage | None]:
    """The requirement as a lock can hold it, and the file that comes along; of a package at a URL there is none.
    ``text`` is what the line requires; ``cache`` is a folder that remembers
    what was fetched.

    Raises:
        TrainyardError: it is not there, not below the folder ``below``, or cannot be held by a lock.
    """
    body, marker = (*_MARKER.split(text, maxsplit=1), "")[:2]
    name, extras, target = match.groups() if (match := _NAMED.fullmatch(body)) else ("", "", body)
    if not name and (match := _EXTRAS.fullmatch(target)):
        target, extras = match.groups()
    suffix = f" ; {marker}" if marker else ""
    if target.startswith("git+"):
        package = _commit(line, target, cache)
    elif re.match(r"(?!file:)[\w+.-]+://", target):
        return _at_url(line, name, extras or "", target, suffix), None
    else:
        package = _beside(line, target, below)
    if name and Line(line.path, 0, name).package != Line(line.path, 0, package.name).package:
        raise line.error(f"is the package {package.name}", f"write {package.name} @ ..., or the path alone")
    required = f"{package.name}{extras or ''}=={package.version}{suffix}"
    return Line(line.path, line.number, required, (package.hash,)), package


def _at_url(line: Line, name: str, extras: str, url: str, suffix: str) -> Line:
    if not re.match("https?://", url):
        raise line.error("is at a URL that cannot be locked", f"write https://..., {WHEEL}")
    plain = url.partition("#")[0]
    if not name:
        try:
            name = str(parse_wheel_filename(unquote(plain.rpartition("/")[2]))[0])
        except InvalidWheelFilename:
            raise line.error("has no name", "write <name> @ <url>") from None
    given = re.search(r"#(?:.*&)?(sha256=[0-9a-f]{64})\b", url)
    hashes = (*line.hashes, *([given[1].replace("=", ":")] if given else []))
    return Line(line.path, line.number, f"{name}{extras} @ {plain}{suffix}", hashes)


def _beside(line: Line, target: str, below: Path) -> LocalPackage:
    place = unquote(re.sub(r"^file:(//(localhost)?(?=/))?", "", target)) if target.startswith("file:") else target
    path = (line.path.parent / place).resolve()
    if not path.is_relative_to(below):
        raise line.error(f"is not below {below}", "copy it beside the model, and write ./<its name>")
    try:
        if path.is_dir():
            from trainyard.host.requirements.source_trees import package_of_folder

            return package_of_folder(path, below)
        return read_archive(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise line.error(f"cannot be installed: {path}: {reason}", f"correct it, {WHEEL}") from None


def _commit(line: Line, target: str, cache: Path) -> LocalPackage:
    match = _COMMIT.fullmatch(target)
    if not match:
        raise line.error("does not name a commit", "write git+https://<host>/<path>@<the commit's 40 digits>")
    fragment = dict(part.partition("=")[::2] for part in (match["fragment"] or "").split("&"))
    from trainyard.host.requirements.commits import package_of_commit

    try:
        return package_of_commit(match["url"], match["commit"], fragment.get("subdirectory", ""), cache)
    except ValueError as error:
        raise line.error(f"cannot be installed: {error}", f"correct it, {WHEEL}") from None
    except TrainyardError as error:
        raise TrainyardError(f"{line.place}: {error.message}", error.hint, error.exit_code) from None
