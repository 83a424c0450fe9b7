"""Where a run is, as a file of its folder says: what is needed to come back to it from anywhere."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from trainyard.errors import TrainyardError
from trainyard.host.experiments.run_files import PLACED
from trainyard.host.support.shared_folder import SharedFolder

_TYPES = {"str": str, "int": int, "bool": bool}


@dataclass(frozen=True)
class Placed:
    """``image`` as its engine there calls it; ``tries``: how often it has begun; ``over``: it was fetched, or given up,
    and nothing of it is there any more."""

    compute: str
    task: str
    image: str = ""
    tries: int = 1
    over: bool = False

    def saved(self, run: Path, **changes: object) -> Placed:
        """The same with ``changes``, written down.

        Raises:
            TrainyardError: it cannot be written.
        """
        changed = replace(self, **changes)  # type: ignore[arg-type]
        try:
            SharedFolder.of_run(run).write(PLACED, json.dumps(asdict(changed), indent=2) + "\n")
        except OSError as error:
            raise TrainyardError(f"{run / PLACED}: {error.strerror}", "check permissions and space") from None
        return changed


def read_placed(run: Path) -> Placed | None:
    """Of the run in that folder; None where it ran here.

    Raises:
        TrainyardError: the file is not one of ours.
    """
    try:
        content = SharedFolder.of_run(run).read_json(PLACED)
        return Placed(**{one.name: _TYPES[str(one.type)](content[one.name]) for one in fields(Placed)})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise TrainyardError(f"{run / PLACED}: not readable ({error})", "restore it, or remove the run") from None
