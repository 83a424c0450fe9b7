"""The command line that make calls: ``python -m trainyard <verb> <folder>``.

Errors become exit codes here and nowhere else.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import click

from trainyard.errors import EXIT_FAILED, EXIT_INTERRUPTED, TrainyardError
from trainyard.host.network.package_indexes import read_settings
from trainyard.host.operations.session import open_session
from trainyard.host.support import console

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


def model_verb(name: str, verb: str, help_text: str, *, local: bool = False) -> None:
    """Declare a verb for a model directory: ``module:function`` below verbs/. ``local``: without containers."""

    @cli.command(name, help=help_text)
    @FOLDER
    @click.pass_obj
    def command(dry_run: bool, folder: Path) -> None:
        session = open_session(folder, dry_run=dry_run)
        _load(verb)(session.local() if local else session, session.repository.model(folder))


def folder_verb(name: str, verb: str, help_text: str) -> None:
    """Declare a verb for an ``all/`` folder or for the whole monorepo."""

    @cli.command(name, help=help_text)
    @FOLDER
    @click.pass_obj
    def command(dry_run: bool, folder: Path) -> None:
        _load(verb)(open_session(folder, dry_run=dry_run), folder.resolve())


def _load(verb: str) -> Callable[..., object]:
    """Only what is called is imported: a build has no time for what a server needs."""
    module, _, function = verb.partition(":")
    loaded: Callable[..., object] = getattr(importlib.import_module(f"trainyard.host.verbs.{module}"), function)
    return loaded


model_verb("build-train", "build:build_train", "Build the train image.")
model_verb("build-predict", "build:build_predict", "Build the predict image.")
model_verb("lock", "lock:lock_model", "Resolve the requirements, write both lock files.")
model_verb("train", "train:train", "Train: a binary and its record in models/.")
model_verb("promote", "promotion:promote", "Make a version the champion, if it is better.")
model_verb("rollback", "promotion:rollback", "Make the champion before this one the champion again.")
model_verb("follow-version", "served_version:follow", "Serve what an alias leads to; make predict starts it.")
model_verb("tune", "tune:tune", "Search for parameters, train with the best.")
model_verb("predict", "predict:predict", "Serve the model's routes.")
model_verb("train-local", "train:train", "Train without containers.", local=True)
model_verb("predict-local", "predict:predict", "Serve without containers.", local=True)
model_verb("test-endpoint", "test_endpoint:test_model", "Post the sample to each route.")
model_verb("stop", "predict:stop_model", "Stop the model's server.")
model_verb("logs", "predict:logs_of_model", "Show the server's log.")
model_verb("shell", "predict:shell", "Open a shell in the predict image.")
model_verb("show", "inventory:show", "Every value and where it came from.")
model_verb("sbom", "sbom:sbom_model", "Write a bill of materials for each image.")
model_verb("clean", "clean:clean_model", "Remove the model's images.")
model_verb("audit", "audit:audit_model", "Look for credentials in the images.")

folder_verb("build-all", "build_all:build_changed", "Build every image that is not up to date.")
folder_verb("create-routes", "build:create_routes", "Generate the files of an all/ folder.")
folder_verb("build-all-image", "build:build_all_image", "Build the image of an all/ folder.")
folder_verb("predict-all", "predict:predict_all", "Serve every model of an all/ folder.")
folder_verb("test-all", "test_endpoint:test_all", "Post every model's sample.")
folder_verb("stop-all", "predict:stop_all", "Stop the server of an all/ folder.")
folder_verb("logs-all", "predict:logs_of_all", "Show the log of an all/ folder's server.")
folder_verb("sbom-all", "sbom:sbom_all", "Write a bill of materials for the image of an all/ folder.")
folder_verb("clean-all", "clean:clean_all", "Remove the image and the generated files of an all/ folder.")
folder_verb("audit-all", "audit:audit_all", "Look for credentials in the image of an all/ folder.")
folder_verb("audit-everything", "audit:audit_everything", "Look for credentials in every image.")
folder_verb("list", "inventory:list_models", "A table of every model.")
folder_verb("runs", "runs:list_runs", "A table of the runs of a model, or of all.")
folder_verb("compare", "compare:compare", "Runs side by side.")
folder_verb("run-show", "runs:show_run", "Everything about one run.")
folder_verb("track", "track:track", "Start the tracking server.")
folder_verb("track-stop", "track:track_stop", "Stop the tracking server.")
folder_verb("track-sync", "track_sync:track_sync", "Upload what the tracker does not have of the runs.")
folder_verb("report", "report:report", "Draw the report of a run.")
folder_verb("experiment", "experiment:experiment", "Train, or tune, what a file describes.")
folder_verb("dvc", "dvc:write_pipelines", "Write dvc.yaml of every project.")
folder_verb("affected", "affected:print_affected", "Which models a change touches, as JSON.")
folder_verb("builders", "build:build_builders", "Build the builder images.")
folder_verb("lock-all", "lock:lock_models", "Resolve the requirements of every model that needs it.")
folder_verb("wheelhouse", "wheelhouse:fill_wheelhouse", "Fill WHEELHOUSE from every lock.")
folder_verb("stop-everything", "predict:stop_everything", "Stop every server.")
folder_verb("clean-everything", "clean:clean_everything", "Remove every image and all state.")
folder_verb("prune", "prune:prune", "Remove dependencies that no image is built on.")
folder_verb("demo", "demo:demo", "Build, train, serve and ask an all/ folder's models.")


@cli.command("build", help="Build one image, as build.sh does.")
@click.argument("image")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("role", type=click.Choice(["train", "predict"]))
@click.pass_obj
def build_command(dry_run: bool, image: str, folder: Path, role: str) -> None:
    session = open_session(folder, dry_run=dry_run)
    _load("build:build_named")(session, session.repository.model(folder), role, image)


@cli.command("s2i", help="Run the real s2i with this machine's build settings, as bin/s2i does.")
@click.option("--wrapper", type=click.Path(path_type=Path), required=True, help="The s2i on PATH that is not the real.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def s2i_command(wrapper: Path, arguments: tuple[str, ...]) -> None:
    from trainyard.host.verbs.s2i_wrapper import run_s2i

    sys.exit(run_s2i(arguments, read_settings(os.environ), wrapper))


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


def _terminated(signum: int, _: FrameType | None) -> None:
    sys.exit(128 + signum)
