"""What a person sees: steps and warnings on stderr, results on stdout, a spinner where stderr is a terminal."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

_err = Console(stderr=True, highlight=False, soft_wrap=True)


def step(text: str) -> None:
    """One line of progress, in the form that the s2i scripts use too."""
    _err.print(f"[bold]--->[/bold] {escape(text)}")


def warn(text: str) -> None:
    _err.print(f"[yellow]warning:[/yellow] {escape(text)}")


def error(text: str) -> None:
    _err.print(f"[red]error:[/red] {escape(text)}")


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
    if _err.is_terminal:
        with _err.status(escape(text)):
            yield
    else:
        step(text)
        yield
    if (seconds := time.monotonic() - started) >= 1:
        step(f"{text.rstrip('. ')}: done in {seconds:.1f} s")
