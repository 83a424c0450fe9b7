"""Asks a retrain service: what ``make retrain`` does. curl is as good."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainyard.errors import EXIT_FAILED, TrainyardError

_POLL = 0.5  # seconds between two looks at a job
_TRIES = 10  # times that a service is asked again that does not answer while a job is waited for


@dataclass(frozen=True)
class Client:
    """A service at ``url``; ``token`` may be empty."""

    url: str
    token: str
    timeout: int

    def submit(self, body: dict[str, Any]) -> dict[str, Any]:
        """Ask for a job; what the service says of it.

        Raises:
            TrainyardError: it does not answer, or refuses.
        """
        return self._json("POST", "/retrain", body)

    def wait(self, job_id: str, show: Callable[[str], None]) -> dict[str, Any]:
        """Until the job is over; its log is shown as it comes.

        Raises:
            TrainyardError: the service is gone for longer than a moment.
        """
        shown, failed = 0, 0
        while True:
            try:
                job = self._json("GET", f"/jobs/{job_id}")
                text = self._read("GET", f"/jobs/{job_id}/log")
                failed = 0
            except TrainyardError:
                failed += 1
                if failed == _TRIES:
                    raise
                time.sleep(_POLL * failed)
                continue
            over = job["state"] in ("succeeded", "failed", "cancelled")
            whole = len(text) if over else text.rfind(b"\n") + 1
            for line in text[shown:whole].decode(errors="replace").splitlines():
                show(line)
            shown = max(shown, whole)
            if over:
                return job
            time.sleep(_POLL)

    def _json(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._read(method, path, body))
            return found
        except ValueError:
            raise TrainyardError(f"{self.url}{path}: the answer is not JSON", "is it a retrain service?") from None

    def _read(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        content = json.dumps(body).encode() if body is not None else None
        if not self.url.startswith(("http://", "https://")):
            raise TrainyardError(f"RETRAIN_URL={self.url}: not the URL of a service", "say http://host:5005")
        request = urllib.request.Request(self.url.rstrip("/") + path, content, headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:  # noqa: S310 -- as above
                answer: bytes = response.read()
                return answer
        except urllib.error.HTTPError as error:
            raise TrainyardError(f"{self.url}: {_detail(error)}", _fix(error.code), EXIT_FAILED) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise TrainyardError(f"{self.url}: {reason}", "start it: make retrain-service", EXIT_FAILED) from None


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        return f"status {error.code}"


def _fix(status: int) -> str:
    return "RETRAIN_TOKEN=<token>: make retrain-token makes one" if status in (401, 403) else ""
