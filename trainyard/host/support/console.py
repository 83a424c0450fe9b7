"""What a person sees: steps and warnings on stderr, results on stdout, a spinner where stderr is a terminal.

Only the command line and the verbs know it; all below them are handed a ``Reporter``.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

import click

from trainyard.host.support.reporter import Counted

CLEAR = "\r\x1b[2K"
_WIDEST = 120  # characters of a line of status


def error(text: str) -> None:
    click.echo(f"{click.style('error:', fg='red')} {text}", err=True)


def result(text: str) -> None:
    """A line of the answer."""
    print(text, flush=True)  # noqa: T201


class Terminal:
    """Reports to whoever sits at the terminal, or reads the log that stands in its place."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a line of one thread is never in the middle of another's
        self._status = ""
        self._at_line_start = True

    def step(self, text: str) -> None:
        """In the form that the s2i scripts use too."""
        self._say(f"{click.style('--->', bold=True)} {text}")

    def warn(self, text: str) -> None:
        self._say(f"{click.style('warning:', fg='yellow')} {text}")

    def line(self, text: str = "") -> None:
        with self._above_status():
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    def would(self, text: str) -> None:
        with self._lock:
            result(text)

    def output(self, content: bytes, is_error: bool) -> None:
        with self._above_status():
            stream = (sys.stderr if is_error else sys.stdout).buffer
            stream.write(content)
            stream.flush()
            self._at_line_start = content.endswith(b"\n")

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """A spinner on a terminal; in a log a line at the start, and its duration."""
        started = time.monotonic()
        if sys.stderr.isatty():
            from rich.console import Console  # takes longer to import than most builds have to wait
            from rich.markup import escape

            with Console(stderr=True).status(escape(text)):
                yield
        else:
            self.step(text)
            yield
        if (seconds := time.monotonic() - started) >= 1:
            self.step(f"{text.rstrip('. ')}: done in {seconds:.1f} s")

    @contextlib.contextmanager
    def progress(self) -> Iterator[Callable[[str], None]]:
        """One line that changes, on a terminal; a log does not get it."""
        if not sys.stderr.isatty():
            yield lambda _: None
            return
        from rich.console import Console
        from rich.markup import escape

        with Console(stderr=True).status("") as status:
            yield lambda text: status.update(escape(text))

    def status(self, text: str) -> bool:
        if not sys.stderr.isatty():
            return False
        with self._above_status():
            self._status = text
        return True

    def confirm(self, question: str, unanswered: bool) -> bool:
        """Ctrl-C, or an end of the input, is no answer."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return unanswered
        try:
            return click.confirm(question, default=unanswered, err=True)
        except click.Abort:
            return unanswered

    @contextlib.contextmanager
    def counting(self, what: str, total: int) -> Iterator[Counted | None]:
        """A bar, on a terminal."""
        if not sys.stderr.isatty():
            yield None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = ("{task.description}", "{task.fields[remark]}")
        with Progress(
            TextColumn(columns[0]), BarColumn(), MofNCompleteColumn(), TextColumn(columns[1]), TimeElapsedColumn(),
            console=Console(stderr=True), transient=True,
        ) as bar:  # fmt: skip
            task = bar.add_task(what, total=total, remark="")
            yield lambda over, remark: bar.update(task, completed=over, remark=remark)

    def _say(self, text: str) -> None:
        with self._above_status():
            click.echo(text, err=True)  # which drops colours where there is no terminal

    @contextlib.contextmanager
    def _above_status(self) -> Iterator[None]:
        """The line of status stays below what is printed; it is not drawn in the middle of a line."""
        with self._lock:
            if self._status and self._at_line_start:
                sys.stderr.write(CLEAR)
                sys.stderr.flush()
            yield
            if self._status and self._at_line_start:
                sys.stderr.write(self._status[:_WIDEST])
                sys.stderr.flush()
