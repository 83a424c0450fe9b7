"""Credentials that came with jobs. They are nowhere else: a service that is started again does not have them."""

from __future__ import annotations

import threading


class SecretsInMemory:
    """By the ids of jobs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: dict[str, str] = {}

    def keep(self, job_id: str, secret: str) -> None:
        with self._lock:
            self._secrets[job_id] = secret

    def of(self, job_id: str) -> str | None:
        with self._lock:
            return self._secrets.get(job_id)

    def forget(self, job_id: str) -> None:
        with self._lock:
            self._secrets.pop(job_id, None)

    def __repr__(self) -> str:
        return f"{len(self._secrets)} credentials"
