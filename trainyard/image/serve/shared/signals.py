"""Signals that mean something to other servers, and nothing here: none of them ends a process of the daemon."""

from __future__ import annotations

import signal
from typing import Any

# gunicorn and daemontools: reopen logs, upgrade, add and remove workers. SIGALRM: a timer that a function has set.
MEANINGLESS = (
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGALRM,
)


def ignore(*numbers: int) -> None:
    """Do nothing at these signals. By a handler: what is ignored stays so in programs that are started."""
    for number in numbers:
        signal.signal(number, _nothing)


def _nothing(_number: int, _frame: Any) -> None:
    """Handlers end with exec(2), which keeps ``SIG_IGN``."""
