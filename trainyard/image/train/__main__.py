"""``python -m trainyard.image.train``: what the ``run`` script of a train image calls, in the folder of the sources.

With ``trials`` it is a worker of ``make tune``, with ``trial <folder>`` one trial that such a worker starts. ``hosted``
trains on a compute; what else ``_BESIDE`` names is called beside it; ``publish`` is called where the run is at home.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from trainyard.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TERMINATED, TrainyardError
from trainyard.image.serve.processes.cores import share_cores
from trainyard.image.serve.shared import forks
from trainyard.image.train.old_code import word_about_pandas
from trainyard.settings.image import ImageSettings
from trainyard.settings.own_process import name_data_folder, refuse_telemetry

_BESIDE = ("hosted", "receive", "send", "worker", "fetched", "missing", "kept", "remove", "unread")


class Terminated(BaseException):
    """SIGTERM. Not an Exception, so that a train function which catches those does not swallow it."""


def main() -> int:
    """Train, once but for ``trials``; returns the exit status, after one line on stderr or the user's traceback."""
    _unwind_on_sigterm()
    os.umask(0o002)  # binaries are group-writable
    refuse_telemetry()
    name_data_folder(str(Path.cwd() / "data"))
    try:
        if sys.argv[1:] and sys.argv[1] in _BESIDE:
            return _beside_training(*sys.argv[1:])
        settings = ImageSettings.read()
        share_cores(max(1, settings.jobs), forks=bool(sys.argv[1:]))
        if sys.argv[1:]:
            return _for_host(*sys.argv[1:])
        # Here, because Ctrl-C may come while they are imported.
        from trainyard.image.train.runner import train
        from trainyard.image.train.score_versions import score

        if settings.score:
            score(Path.cwd(), settings.payload)
        elif not settings.train:
            print("TRAIN=0: nothing to do")
        else:
            train(Path.cwd(), settings)
    except TrainyardError as error:
        return _say(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _say("interrupted: models/ holds nothing half-written", EXIT_INTERRUPTED)
    except Terminated:
        return _say("terminated: models/ holds nothing half-written", EXIT_TERMINATED)
    except Exception as error:  # noqa: BLE001 -- the user's function, which may raise anything
        sys.stdout.flush()
        traceback.print_exception(error)
        if word := word_about_pandas(error):
            print(f"warning: {word}", file=sys.stderr)
        return EXIT_FAILED
    return 0


def _beside_training(what: str, *arguments: str) -> int:
    """What imports no library, and leaves the environment of a training as it is."""
    from trainyard.contract.hosted import FETCHED
    from trainyard.image.train import hosted, hosted_files
    from trainyard.image.train.stored import Storage

    sources = Path.cwd()
    if what == "hosted":
        return hosted.host(sources, arguments)
    if what == "receive":
        hosted_files.receive(sources, *arguments)
    elif what == "send":
        hosted_files.send(sources, *arguments)
    elif what == "worker":
        hosted.talk(sources)
    elif what == "fetched":
        hosted_files.mark(sources, FETCHED)
    elif what == "missing":
        hosted_files.print_missing(sources)
    elif what == "kept":
        hosted_files.print_kept(sources, *arguments)
    elif what == "unread":
        print(Storage(sources).drop_unread(int(arguments[0])))
    else:
        Storage(sources).remove(*arguments)
    return 0


def _for_host(what: str, *arguments: str) -> int:
    """What a host asks for beside a plain training."""
    sources = Path.cwd()
    if what == "trials":
        from trainyard.image.train.trials import work

        work(sources, sending=bool(arguments))
    elif what == "trial":
        from trainyard.image.train.trial import carry_out_alone

        carry_out_alone(Path(arguments[0]))
    elif what == "publish":
        from trainyard.image.train.publish_fetched import publish_fetched

        project, fetched, model_name, environment = arguments
        publish_fetched(Path(project), Path(fetched), model_name, Path(environment))
    else:
        raise TrainyardError(f"{what}: not something that a train image does", "call it without, or with trials")
    return 0


def _say(line: str, status: int) -> int:
    sys.stdout.flush()
    print(f"error: {line}", file=sys.stderr)
    return status


def _unwind_on_sigterm() -> None:
    """As process 1 of a container we would not even die of SIGTERM; and the staging folder wants to be removed."""

    def handle(_number: int, _frame: Any) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, handle)
    forks.set_apart()  # a forked child of the user's code dies as it would without us


if __name__ == "__main__":
    sys.exit(main())
