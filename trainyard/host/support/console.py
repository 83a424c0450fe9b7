"""What a person sees: steps and warnings on stderr, results on stdout, a spinner where stderr is a terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import click


def step(text: str) -> None:
    """One line of progress, in the form that the s2i scripts use too."""
    _say(click.style("--->", bold=True), text)


def warn(text: str) -> None:
    _say(click.style("warning:", fg="yellow"), text)


def error(text: str) -> None:
    _say(click.style("error:", fg="red"), text)


def _say(head: str, text: str) -> None:
    click.echo(f"{head} {text}", err=True)  # which drops colours where there is no terminal


def line(text: str = "") -> None:
    """A line that belongs to what is going on (a program's own output), as it is."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def result(text: str) -> None:
    """A line of the answer."""
    print(text, flush=True)  # noqa: T201


@contextlib.contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show that something long is going on: a spinner on a terminal, in a log a line at the start and its duration."""
    started = time.monotonic()
    if sys.stderr.isatty():
        from rich.console import Console  # takes longer to import than most builds have to wait
        from rich.markup import escape

        with Console(stderr=True).status(escape(text)):
            yield
    else:
        step(text)
        yield
    if (seconds := time.monotonic() - started) >= 1:
        step(f"{text.rstrip('. ')}: done in {seconds:.1f} s")


@contextlib.contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Hands out what says where something long is: in one line that changes, on a terminal; a log does not get it."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status("") as status:
        yield lambda text: status.update(escape(text))
