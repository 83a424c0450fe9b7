"""What is said of a job: a title and a text for people, the same as JSON for programs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from trainyard.host.network.urls import without_logins
from trainyard.host.retrain.jobs.job import Job

LAST_LINES = 20  # of a log that a text has
LAST_CHARACTERS = 1200  # of those: Discord takes 2000 in all
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]|\x1b\[[0-9;]*m")
# What chats read as a call to everybody. A log is written by the code of a repository.
_MENTION = re.compile(r"@(?=\w)|(?<=<)(?=[!@#])")
_BREAK = "\u200b"  # a space of no width: the text looks the same


class Event(StrEnum):
    """What has happened to a job."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Notice:
    """One event of one job. ``last_lines``: the end of its log."""

    job: Job
    event: Event
    last_lines: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"Retraining of {model_of(self.job)}: {self.event}"

    @property
    def text(self) -> str:
        """For people, and without a mention that would call them."""
        return _MENTION.sub(lambda found: found[0] + _BREAK, "\n".join(self._lines()))

    def _lines(self) -> Iterator[str]:
        job = self.job
        yield f"job {job.id}, asked for by {job.trigger}" + (f", commit {job.commit[:12]}" if job.commit else "")
        if self.event is Event.SUCCEEDED:
            yield from self._success()
        elif self.event is Event.FAILED:
            step = f" in step {job.steps[-1].name}" if job.steps else ""
            yield f"failed{step}: {_plain(job.reason) or 'no reason is known'}"
            yield from _end_of(self.last_lines)
        elif self.event is Event.CANCELLED and job.reason:
            yield _plain(job.reason)

    def _success(self) -> Iterator[str]:
        job = self.job
        new = f"version {job.version}" if job.version else f"run {job.run}"
        if job.promoted is None:
            yield f"{new} is trained"
        else:
            yield f"{new} {'is the new champion' if job.promoted else 'does not replace the champion'}"
        if job.reason:
            yield f"because: {_plain(job.reason)}"
        if job.metrics:
            yield f"new: {_shown(job.metrics)}"
        if job.champion_metrics:
            before = f" (version {job.champion})" if job.champion else ""
            yield f"champion before{before}: {_shown(job.champion_metrics)}"


def model_of(job: Job) -> str:
    """The name by which people know what is trained."""
    request = job.request
    place = str(request.get("model") or request.get("MLproject_location") or request.get("mlproject_location") or "")
    return place or without_logins(str(request.get("git_uri") or "")) or job.key


def content_of(notice: Notice) -> dict[str, Any]:
    """The notice as JSON has it. Of the URL of a callback only the host is said: its path may be a password."""
    job = dataclasses.asdict(notice.job)
    request = dict(job["request"])
    if request.get("callback_url"):
        request["callback_url"] = place_of(str(request["callback_url"]))
    if request.get("git_uri"):
        request["git_uri"] = without_logins(str(request["git_uri"]))
    lines = [line[:LAST_CHARACTERS] for line in notice.last_lines[-LAST_LINES:]]
    return {"event": str(notice.event), "job": _as_json({**job, "request": request}), "last_lines": lines}


def place_of(url: str) -> str:
    """Scheme and host of a URL, for messages."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "?", parts.port
    except ValueError:
        return "a malformed URL"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"


def _as_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): _as_json(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(part) for part in value]
    if isinstance(value, float) and value - value != 0:  # nan and infinity: JSON has none
        return None
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _end_of(lines: Sequence[str]) -> Iterator[str]:
    shown = "\n".join(_plain(line) for line in lines[-LAST_LINES:])
    if len(shown) > LAST_CHARACTERS:
        shown = "..." + shown[-LAST_CHARACTERS:]
    if shown.strip():
        yield "the last lines:"
        yield shown


def _plain(text: str) -> str:
    return _CONTROLS.sub("", text.rstrip("\r\n"))


def _shown(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.6g}" for name, value in metrics.items())
