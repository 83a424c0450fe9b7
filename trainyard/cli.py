"""The command line that make calls: ``python -m trainyard <verb> <folder>``.

Errors become exit codes here and nowhere else.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import click

from trainyard import console
from trainyard.errors import EXIT_FAILED, EXIT_INTERRUPTED, TrainyardError
from trainyard.model_dir import ModelDir
from trainyard.repository import all_members
from trainyard.settings import HostSettings
from trainyard.verbs import affected, build, changed, clean, demo, endpoint, inventory, run
from trainyard.verbs.s2i_wrapper import run_s2i
from trainyard.verbs.session import Session, open_session

FOLDER = click.argument("folder", type=click.Path(path_type=Path), default=".")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-n", "--dry-run", is_flag=True, help="Show what would run; run nothing.")
@click.pass_context
def cli(context: click.Context, dry_run: bool) -> None:
    """Build, train and serve machine-learning models from their directories. `make help` lists the settings."""
    context.obj = dry_run or _make_dry_run()


def _make_dry_run() -> bool:
    """Whether make was called with -n: its one-letter flags come first in MAKEFLAGS."""
    first = os.environ.get("MAKEFLAGS", "").partition(" ")[0]
    # -q asks whether there is something to do: it must not do it either.
    return bool({"n", "q"} & set(first)) and "=" not in first and not first.startswith("-")


def model_verb(name: str, help_text: str) -> Callable[[Callable[[Session, ModelDir], object]], click.Command]:
    """Declare a verb for a model directory."""

    def declare(verb: Callable[[Session, ModelDir], object]) -> click.Command:
        @cli.command(name, help=help_text)
        @FOLDER
        @click.pass_obj
        def command(dry_run: bool, folder: Path) -> None:
            session = open_session(folder, dry_run=dry_run)
            verb(session, session.repository.model(folder))

        return command

    return declare


def folder_verb(name: str, help_text: str) -> Callable[[Callable[[Session, Path], object]], click.Command]:
    """Declare a verb for an ``all/`` folder or for the whole monorepo."""

    def declare(verb: Callable[[Session, Path], object]) -> click.Command:
        @cli.command(name, help=help_text)
        @FOLDER
        @click.pass_obj
        def command(dry_run: bool, folder: Path) -> None:
            verb(open_session(folder, dry_run=dry_run), folder.resolve())

        return command

    return declare


model_verb("build-train", "Build the train image.")(lambda s, m: build.build_model(s, m, "train"))
model_verb("build-predict", "Build the predict image.")(lambda s, m: build.build_model(s, m, "predict"))
model_verb("lock", "Resolve the requirements, write both lock files.")(build.lock_model)
model_verb("train", "Train: a binary and its record in models/.")(run.train)
model_verb("predict", "Serve the model's routes.")(run.predict)
model_verb("train-local", "Train without containers.")(lambda s, m: run.train(s.local(), m))
model_verb("predict-local", "Serve without containers.")(lambda s, m: run.predict(s.local(), m))
model_verb("test-endpoint", "Post the sample to each route.")(lambda s, m: endpoint.test_endpoint(s, [m]))
model_verb("stop", "Stop the model's server.")(lambda s, m: _stop(s, m.image("predict")))
model_verb("logs", "Show the server's log.")(lambda s, m: _logs(s, m.image("predict")))
model_verb("shell", "Open a shell in the predict image.")(lambda s, m: run.shell(s, m, "predict"))
model_verb("show", "Every value and where it came from.")(inventory.show)
model_verb("clean", "Remove the model's images.")(clean.clean_model)

folder_verb("create-routes", "Generate the files of an all/ folder.")(build.create_routes)
folder_verb("build-all", "Build every image that is not up to date.")(changed.build_changed)
folder_verb("build-all-image", "Build the image of an all/ folder.")(build.build_all)
folder_verb("predict-all", "Serve every model of an all/ folder.")(run.predict_all)
folder_verb("test-all", "Post every model's sample.")(lambda s, f: endpoint.test_endpoint(s, _members(s, f)))
folder_verb("stop-all", "Stop the server of an all/ folder.")(lambda s, f: _stop(s, build.all_image(s, f)))
folder_verb("logs-all", "Show the log of an all/ folder's server.")(lambda s, f: _logs(s, build.all_image(s, f)))
folder_verb("clean-all", "Remove the image and the generated files of an all/ folder.")(clean.clean_all)
folder_verb("list", "A table of every model.")(lambda s, _: inventory.list_models(s))
folder_verb("affected", "Which models a change touches, as JSON.")(lambda s, _: affected.print_affected(s))
folder_verb("builders", "Build the builder images.")(lambda s, _: s.engine.ensure_builders())
folder_verb("stop-everything", "Stop every server.")(lambda s, _: run.stop_everything(s))
folder_verb("clean-everything", "Remove every image and all state.")(lambda s, _: clean.clean_everything(s))
folder_verb("demo", "Build, train, serve and ask an all/ folder's models.")(demo.demo)


@cli.command("build", help="Build one image, as build.sh does.")
@click.argument("image")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("role", type=click.Choice(["train", "predict"]))
@click.pass_obj
def build_command(dry_run: bool, image: str, folder: Path, role: str) -> None:
    session = open_session(folder, dry_run=dry_run)
    build.build_model(session, session.repository.model(folder), "train" if role == "train" else "predict", image)


@cli.command("s2i", help="Run the real s2i with this machine's build settings, as bin/s2i does.")
@click.option("--wrapper", type=click.Path(path_type=Path), required=True, help="The s2i on PATH that is not the real.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def s2i_command(wrapper: Path, arguments: tuple[str, ...]) -> None:
    sys.exit(run_s2i(arguments, HostSettings.read(), wrapper))


def _members(session: Session, folder: Path) -> list[ModelDir]:
    return [session.repository.model(path) for path in all_members(folder, session.repository)]


def _stop(session: Session, name: str) -> None:
    if not run.stop(session, name):
        console.step(f"{name} does not run")


def _logs(session: Session, name: str) -> None:
    run.logs(session, name, follow=bool(os.environ.get("FOLLOW")))


def main() -> None:
    """Run a verb; the process's exit code is the error's."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # so that what is half-done gets cleaned up
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
            signal.signal(number, _terminated)
    try:
        cli(standalone_mode=False)
    except TrainyardError as error:
        console.error(str(error))
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        console.error("interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:  # a full disk, a missing permission: the system's own words, and where
        console.error(f"{error.filename or 'trainyard'}: {error.strerror or error}")
        sys.exit(EXIT_FAILED)
    except Exception as error:  # noqa: BLE001 -- a bug of ours: one line for the user, the rest for a report
        with tempfile.NamedTemporaryFile("w", prefix="trainyard-error-", suffix=".log", delete=False) as log:
            log.write(traceback.format_exc())
        console.error(f"a bug in Trainyard ({type(error).__name__}: {error}): please report it with {log.name}")
        sys.exit(EXIT_FAILED)


def _terminated(signum: int, _: FrameType | None) -> None:
    sys.exit(128 + signum)
