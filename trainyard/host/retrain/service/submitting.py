"""From a request to a job that waits: what it may ask for, and what becomes of another job of the same model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

from trainyard.host.retrain.jobs.job import Job, State
from trainyard.host.retrain.jobs.job_store import Busy, Idempotency, JobStore, OtherBody, TooManyWaiting, new_id
from trainyard.host.retrain.jobs.request import OnConflict, RetrainRequest
from trainyard.host.retrain.notices.callbacks import check_callback
from trainyard.host.retrain.service.problems import Problem
from trainyard.host.retrain.service.secrets_in_memory import SecretsInMemory
from trainyard.host.retrain.sources.commit_objects import check_commit_name
from trainyard.settings.retrain import RetrainSettings


@dataclass(frozen=True)
class Source:
    """Where a job's repository is: without a credential, and the credential that came with it."""

    uri: str
    secret: str = ""


@dataclass(frozen=True)
class Submitting:
    """Takes requests. ``source_of`` says what a ``git_uri`` means, or refuses it; ``place_of`` has one name for each
    model of the service's own monorepo, ``compute_of`` says where it trains; ``wake`` has the job begun."""

    store: JobStore
    settings: RetrainSettings
    kept: SecretsInMemory
    source_of: Callable[[str], Source]
    place_of: Callable[[str], str]
    compute_of: Callable[[str], str]
    wake: Callable[[], None]

    def submit(self, request: RetrainRequest, trigger: str, idempotency_key: str = "", retry_of: str = "") -> Job:
        """The job of a request; the one that is there where the same request came before.

        Raises:
            Problem: another job of the model is not over, too many wait, or the key came with another body.
            TrainyardError: the repository may not be trained from.
        """
        check_commit_name(request.commit_hash)
        if request.callback_url:
            check_callback(str(request.callback_url), self.settings)
        source = self.source_of(request.git_uri) if request.git_uri else Source("")
        asked = request.model_dump(mode="json", by_alias=True) | {"git_uri": source.uri}
        place = request.location.strip("/") if source.uri else self.place_of(request.location)
        now = datetime.now(UTC)
        job = Job(
            new_id(now), State.WAITING, asked, _digest(source.uri, place), trigger, now,
            priority=request.priority, secret=bool(source.secret), retry_of=retry_of,
            compute=self.compute_of(request.compute),
        )  # fmt: skip
        if source.secret:  # before anybody can begin the job
            self.kept.keep(job.id, source.secret)
        same = Idempotency(trigger, idempotency_key, _digest(json.dumps(asked))) if idempotency_key else None
        added = None
        try:
            added = self._add(job, same, request.on_conflict)
        finally:
            if added is not job:
                self.kept.forget(job.id)
        self.wake()
        return added

    def _add(self, job: Job, same: Idempotency | None, on_conflict: OnConflict) -> Job:
        try:
            return self.store.add(
                job, self.settings.waiting, same, refuse=on_conflict is OnConflict.REFUSE,
                instead=on_conflict is OnConflict.REPLACE,
            )  # fmt: skip
        except Busy as error:
            raise Problem(HTTPStatus.CONFLICT, f"job {error.job} of this model is not over", job=error.job) from None
        except TooManyWaiting:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, f"{self.settings.waiting} jobs wait (RETRAIN_WAITING)",
                {"Retry-After": "60"},
            ) from None  # fmt: skip
        except OtherBody:
            raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "this Idempotency-Key came with another request") from None


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
