"""The log of a daemon: one line per event on stderr, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from trainyard.settings.image import ImageSettings

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
_TEXT = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"
_TIME = "[%Y-%m-%d %H:%M:%S %z]"


def configure_logging(settings: ImageSettings) -> None:
    """Once, before anything is forked. What user code prints appears line by line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if settings.log_format == "json" else logging.Formatter(_TEXT, _TIME))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def timestamp(seconds: float) -> str:
    """A time since 1970 as RFC 3339 has it, UTC, in milliseconds."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds % 1 * 1000):03}Z"


class _JsonLines(logging.Formatter):
    """An event is an object: time (UTC), level, pid, logger, message, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = {
            "time": timestamp(record.created),
            "level": record.levelname.lower(),
            "pid": record.process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        return json.dumps(facts, ensure_ascii=False)
