"""The one family of errors: what is wrong, the fix, and how a process or a response reports it.

They become an exit code in ``trainyard.host.cli`` (host) and in ``trainyard.image.train`` (train image), and a response
in ``trainyard.image.serve.app`` (predict image), and nowhere else.
"""

from __future__ import annotations

EXIT_FAILED = 1  # the user's own code failed
EXIT_BAD_INPUT = 2  # something to fix before trying again
EXIT_INTERRUPTED = 130  # Ctrl-C, as shells count it (128 + SIGINT)
EXIT_TERMINATED = 143  # SIGTERM, likewise
EXIT_KILLED = 137  # SIGKILL, likewise: also what the kernel sends where memory runs out
ENDED_BY_SIGNAL = (EXIT_INTERRUPTED, EXIT_TERMINATED)


class TrainyardError(Exception):
    """Something that the user can fix.

    Args:
        message: what is wrong, with the file (and line) where it is, on one line.
        hint: the fix, in the imperative, without a full stop; may be empty.
        exit_code: what a command line exits with.
    """

    exit_code = EXIT_BAD_INPUT
    http_status = 500

    def __init__(self, message: str, hint: str = "", exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class AlreadyPrinted(TrainyardError):
    """What a program that we ran has printed itself: a command line adds the exit code, and no second line."""


class BadRequest(TrainyardError):
    """A request body that a route cannot answer; HTTP 400. Predict code may raise it too."""

    http_status = 400


class ModelUnavailable(TrainyardError):
    """A model whose binary is missing, corrupt or somebody else's; HTTP 503 on its own routes."""

    http_status = 503
