"""Every verb of the table as a command of ``trainyard``: the row for the kind of its folder, settings as options."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import MODEL_VARIABLES
from trainyard.host.operations.session import Session, open_session
from trainyard.host.support import console
from trainyard.host.verbs.verb_options import DECLARED, READS
from trainyard.host.verbs.verb_table import ALL, MODEL, NOWHERE, TOP, Verb, commands
from trainyard.settings.own_process import callers_environment, give_to_programs

FOLDER = click.argument("folder", type=click.Path(path_type=Path), default=".")
GIVEN = "TRAINYARD_COMMAND_LINE"  # names what make got on its command line, or we on ours
_GIVEN = "given_"  # before the names of options: FOLDER is one, and the folder of a verb an argument
PLACES = {MODEL: "a model directory", ALL: "an all/ folder", TOP: "the top of the monorepo"}


class Verbs(click.Group):
    """The verbs and whatever is added. A verb's options are made when it is called: all of them take 50 ms."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*(name for name in commands() if name != "help"), *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        rows = commands().get(cmd_name)
        return _command(cmd_name, rows) if rows and cmd_name != "help" else super().get_command(ctx, cmd_name)


def _command(name: str, rows: Sequence[Verb]) -> click.Command:
    @click.command(name, help=rows[-1].help, short_help=rows[-1].help, hidden=rows[0].where == NOWHERE)
    @FOLDER
    @click.pass_obj
    def command(dry_run: bool, folder: Path) -> None:
        session = open_session(folder, console.Terminal(), dry_run=dry_run)
        verb = row_for(rows, session.repository.root, folder.resolve())
        if not verb.calls:
            _run_make(session, verb, folder)
        elif verb.of_model:
            load(verb.calls)(session.local() if verb.local else session, session.repository.model(folder))
        else:
            load(verb.calls)(session, folder.resolve())

    command.params += map(_option, READS.get(name, ()))
    if any(verb.of_model for verb in rows):
        command.params += map(_variable, MODEL_VARIABLES)
    return command


def row_for(rows: Sequence[Verb], root: Path, folder: Path) -> Verb:
    """The row of a verb for ``folder`` of the monorepo at ``root``. What is of the whole monorepo is so from anywhere.

    Raises:
        TrainyardError: the verb is of other kinds of folders.
    """
    place = TOP if folder == root else ALL if folder.name == "all" else MODEL
    for kind in (place, TOP):
        if found := next((verb for verb in rows if kind in verb.where or verb.where == NOWHERE), None):
            return found
    where = " and ".join(name for kind, name in PLACES.items() if any(kind in verb.where for verb in rows))
    name = rows[0].name
    raise TrainyardError(f"{name} is of {where}, {folder} is {PLACES[place]}", f"say which: trainyard {name} <folder>")


def load(verb: str) -> Callable[..., object]:
    """Only what is called is imported: a build has no time for what a server needs."""
    module, _, function = verb.partition(":")
    loaded: Callable[..., object] = getattr(importlib.import_module(f"trainyard.host.verbs.{module}"), function)
    return loaded


def _run_make(session: Session, verb: Verb, folder: Path) -> None:
    """A verb that is a recipe of make alone."""
    environment = callers_environment()
    given = [f"{name}={environment[name]}" for name in environment.get(GIVEN, "").split()]
    session.commands.become_make(folder, [*(["-n"] if session.commands.dry_run else []), verb.name, *given])


def _option(name: str) -> click.Option:
    declared = DECLARED[name]
    word = name.lower().replace("_", "-")
    flag = isinstance(declared.default, bool)
    names = [f"--{word}/--no-{word}" if flag else f"--{word}", f"{_GIVEN}{name.lower()}"]
    return click.Option(
        names, default=None, help=declared.metadata["help"],
        metavar=None if flag else "N" if isinstance(declared.default, int) else "TEXT",
        expose_value=False, callback=_give,
    )  # fmt: skip


def takes_value(word: str) -> bool:
    """Whether a word of a command line is an option whose value is the word after it."""
    declared = DECLARED.get(word[2:].upper().replace("-", "_")) if word.startswith("--") else None
    return declared is not None and not isinstance(declared.default, bool)


def _variable(name: str) -> click.Option:
    help_text = f"in place of the {name} of its Makefile"
    names = [f"--{name.lower().replace('_', '-')}", f"{_GIVEN}{name.lower()}"]
    return click.Option(names, help=help_text, expose_value=False, callback=_give)


def _give(_context: click.Context, option: click.Parameter, value: object) -> None:
    """As make gives a variable of its command line: the environment is where settings are read."""
    if value is not None:
        name = str(option.name).removeprefix(_GIVEN).upper()
        text = str(int(value)) if isinstance(value, bool) else str(value)
        give_to_programs({name: text, GIVEN: f"{callers_environment().get(GIVEN, '')} {name}".strip()})
