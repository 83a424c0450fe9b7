"""Push webhooks: which models of the service's own monorepo a push trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainyard.host.operations.session import Session
from trainyard.host.retrain.jobs.job import Job
from trainyard.host.retrain.service.submitting import Submitting
from trainyard.host.retrain.triggers.deliveries import Deliveries
from trainyard.host.retrain.triggers.own_monorepo import OwnMonorepo
from trainyard.host.retrain.triggers.push import requests_of_push
from trainyard.host.retrain.triggers.pushed import Push
from trainyard.settings.retrain import RetrainSettings


@dataclass(frozen=True)
class Pushes:
    """Takes the webhooks of GitHub and GitLab."""

    session: Session
    settings: RetrainSettings
    submitting: Submitting
    deliveries: Deliveries
    own: OwnMonorepo

    def take(self, headers: Mapping[str, str], body: bytes) -> list[Job]:
        """The jobs of the models that a push changes; one that is refused is refused alone.

        Raises:
            TrainyardError: as ``requests_of_push``.
        """
        requests = requests_of_push(
            headers, body, self.settings, self._affected, self.deliveries,
            repository=self.session.repository.source(),
        )  # fmt: skip
        return [self.submitting.submit(request, "push") for request in requests]

    def _affected(self, push: Push) -> Sequence[str]:
        return self.own.affected(push, self.settings.fetch_timeout)
