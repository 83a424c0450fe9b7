"""The command line that make calls: ``python -m trainyard <verb> <folder>``.

Errors become exit codes here and nowhere else.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import tempfile
import traceback
import weakref
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import click

import trainyard
from trainyard.errors import EXIT_FAILED, EXIT_INTERRUPTED, AlreadyPrinted, TrainyardError
from trainyard.host.monorepo.environment import other_python
from trainyard.host.monorepo.repository import enclosing_monorepo
from trainyard.host.network.package_indexes import read_settings
from trainyard.host.operations.session import open_session
from trainyard.host.support import console
from trainyard.host.verbs.commands import FOLDER, Verbs, load, takes_value
from trainyard.host.verbs.verb_table import EXPERIMENTS, commands

_MOMENT = 0.01  # seconds until a signal is looked at again that came where nothing can be raised


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(trainyard.__version__, message="%(version)s")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would run; run nothing.")
@click.pass_context
def cli(context: click.Context, dry_run: bool) -> None:
    """Build, train and serve machine-learning models from their directories."""
    context.obj = dry_run or _make_dry_run()


def _make_dry_run() -> bool:
    """Whether make was called with -n: its one-letter flags come first in MAKEFLAGS."""
    first = os.environ.get("MAKEFLAGS", "").partition(" ")[0]
    # -q asks whether there is something to do: it must not do it either.
    return bool({"n", "q"} & set(first)) and "=" not in first and not first.startswith("-")


@cli.command("build", help="build one image, as build.sh does")
@click.argument("image")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("role", type=click.Choice(["train", "predict"]))
@click.pass_obj
def build_command(dry_run: bool, image: str, folder: Path, role: str) -> None:
    session = open_session(folder, console.Terminal(), dry_run=dry_run)
    load("build:build_named")(session, session.repository.model(folder), role, image)


@cli.command("init", help="make FOLDER a monorepo, with one example in it")
@FOLDER
@click.option("--ci", default="", envvar="CI", help="Workflow files for github, gitlab, both with a comma, or none.")
@click.pass_obj
def init_command(dry_run: bool, folder: Path, ci: str) -> None:
    load("init:init")(folder, ci, console.Terminal(), dry_run=dry_run)


@cli.command("upgrade", help="move the monorepo to the version of this program; its changed files are merged")
@FOLDER
@click.pass_obj
def upgrade_command(dry_run: bool, folder: Path) -> None:
    load("init:upgrade")(folder, console.Terminal(), dry_run=dry_run)


@cli.command("completion", help="print what makes a shell complete this program, for its start-up file")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    from click.shell_completion import get_completion_class

    if found := get_completion_class(shell):
        console.result(found(cli, {}, "trainyard", "_TRAINYARD_COMPLETE").source())


@cli.command("s2i", help="run the real s2i with this machine's build settings, as bin/s2i does")
@click.option("--wrapper", type=click.Path(path_type=Path), required=True, help="The s2i on PATH that is not the real.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def s2i_command(wrapper: Path, arguments: tuple[str, ...]) -> None:
    from trainyard.host.verbs.s2i_wrapper import run_s2i

    sys.exit(run_s2i(arguments, read_settings(os.environ), wrapper, console.Terminal()))


def program() -> None:
    """``trainyard``: a verb, by the version that its monorepo names."""
    main(_hand_over)


def _hand_over() -> None:
    """Replaces this process where the monorepo of a verb has an environment of its own.

    Before the options are parsed: that version may have others.
    """
    arguments = sys.argv[1:]
    rows = commands().get(next((word for word in arguments if not word.startswith("-")), ""), [])
    extras = {verb.extra for verb in rows if verb.extra}
    extras |= {EXPERIMENTS} if any(word.startswith("--version") for word in arguments) else set()
    values = {after for word, after in itertools.pairwise(arguments) if takes_value(word)}
    folder = next((Path(word) for word in arguments[1:] if word not in values and Path(word).is_dir()), Path())
    root = enclosing_monorepo(folder.resolve())
    if rows and root and (python := other_python(root, extras)):
        os.execv(python, [str(python), "-P", "-m", "trainyard", *arguments])  # noqa: S606 -- the same program


def main(prepare: Callable[[], None] = lambda: None) -> None:
    """Run a verb; the process's exit code is the error's."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that what is half-done gets cleaned up
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _terminated)
    try:
        prepare()
        cli(prog_name="trainyard", standalone_mode=False)
    except AlreadyPrinted as error:
        sys.exit(error.exit_code)
    except TrainyardError as error:
        console.error(str(error))
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        # Threads that still work end by themselves; who does not want to wait for them presses again.
        signal.signal(signal.SIGINT, lambda *_: os._exit(EXIT_INTERRUPTED))
        console.error("interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:  # a full disk, a missing permission: the system's own words, and where
        console.error(f"{error.filename or 'trainyard'}: {error.strerror or error}{_owner(error)}")
        sys.exit(EXIT_FAILED)
    except Exception as error:  # noqa: BLE001 -- a bug of ours: one line for the user, the rest for a report
        with tempfile.NamedTemporaryFile("w", prefix="trainyard-error-", suffix=".log", delete=False) as log:
            log.write(traceback.format_exc())
        console.error(f"a bug in Trainyard ({type(error).__name__}: {error}): please report it with {log.name}")
        sys.exit(EXIT_FAILED)


def _owner(error: OSError) -> str:
    """Whose the file or folder is that we may not use; empty where it is our own, or something else is wrong."""
    if not isinstance(error, PermissionError) or not isinstance(error.filename, str):
        return ""
    path = Path(error.filename).absolute()
    try:
        owner = next(place.stat().st_uid for place in (path, *path.parents) if place.exists())
    except OSError:
        return ""
    ours = os.getuid()
    return f": it belongs to user {owner}, and we are {ours}: work in a clone of your own" if owner != ours else ""


def _terminated(signum: int, frame: FrameType | None) -> None:
    if _is_finalizing(frame):
        signal.signal(signal.SIGALRM, lambda _, frame: _terminated(signum, frame))
        signal.setitimer(signal.ITIMER_REAL, _MOMENT)
    else:
        sys.exit(128 + signum)


def _is_finalizing(frame: FrameType | None) -> bool:
    """Whether Python would print what is raised there, and go on."""
    while frame:
        if frame.f_code.co_name == "__del__" or frame.f_code.co_filename == weakref.__file__:
            return True
        frame = frame.f_back
    return False
