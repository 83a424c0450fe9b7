"""What a rename has set out to do, written down before it begins: whoever calls it again after a crash goes on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from trainyard.contract.files import write_whole
from trainyard.errors import TrainyardError
from trainyard.host.scaffold.model_places import Place
from trainyard.host.scaffold.moving.source_edits import Names

FOLDER = "renames"


@dataclass(frozen=True)
class Journal:
    """The names, old and new, and the entries of ``models/`` that get another name."""

    old: str  # <project>/<model>
    new: str
    model_name: tuple[str, str]
    container_name: tuple[str, str]
    files: tuple[str, ...]

    @property
    def places(self) -> tuple[Place, Place]:
        return Place(*self.old.split("/")), Place(*self.new.split("/"))

    @property
    def names(self) -> Names:
        return Names(*self.places, *self.model_name)

    def write(self, state: Path) -> None:
        path = _path(state, self.old)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(asdict(self), indent=2) + "\n")

    def remove(self, state: Path) -> None:
        _path(state, self.old).unlink(missing_ok=True)


def read_journal(state: Path, old: Place) -> Journal | None:
    """Of a rename of ``old`` that did not end; None where there is none.

    Raises:
        TrainyardError: somebody has changed the file.
    """
    path = _path(state, str(old))
    try:
        found = json.loads(path.read_bytes())
        pairs = {key: tuple(map(str, found[key])) for key in ("model_name", "container_name", "files")}
        return Journal(str(found["old"]), str(found["new"]), **pairs)  # type: ignore[arg-type]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainyardError(f"{path}: not readable ({error})", "remove it, and look at both directories") from None


def _path(state: Path, old: str) -> Path:
    return state / FOLDER / f"{old.replace('/', '%')}.json"
