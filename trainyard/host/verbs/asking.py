"""What is not given is asked for on a terminal; where nobody is there, a default or an error has its place."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import click

from trainyard.errors import TrainyardError
from trainyard.host.support import console

T = TypeVar("T")


def asks() -> bool:
    """Whether somebody is there who can answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def given(
    variable: str,
    value: str,
    question: str,
    default: str,
    check: Callable[[str], T],
    *,
    optional: bool = False,
    missing: TrainyardError | None = None,
) -> T:
    """The value, checked; asked for where it is not given, until it is right; the default where nobody is there.
    ``optional``: an empty answer is one. ``missing``: what is raised where there is none.

    Raises:
        TrainyardError: there is none, or it is wrong.
    """
    if value or not asks():
        if not value and not default and not optional:
            raise missing or TrainyardError(f"{variable} is not given", f"say {variable}=...")
        return check(value or default)
    while True:
        shown = default if default or optional else None
        answer = click.prompt(question, default=shown, show_default=bool(default), err=True)
        try:
            return check(answer)
        except TrainyardError as error:
            console.error(str(error))


def agreed(question: str, *, yes: bool, otherwise: TrainyardError) -> None:
    """Raises:
    TrainyardError: ``otherwise``, where the answer is no, or nobody is there and ``yes`` is not set."""
    if not yes and not (asks() and click.confirm(question, default=True, err=True)):
        raise otherwise
