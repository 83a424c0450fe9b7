"""Push webhooks: which models of the service's own monorepo a push trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trainyard.host.operations.affected import affected_by
from trainyard.host.operations.session import Session
from trainyard.host.retrain.jobs.job import Job
from trainyard.host.retrain.service.submitting import Submitting
from trainyard.host.retrain.triggers.deliveries import Deliveries
from trainyard.host.retrain.triggers.push import requests_of_push
from trainyard.host.retrain.triggers.pushed import Push
from trainyard.host.retrain.work.checkout import fetch_if_missing
from trainyard.settings.retrain import RetrainSettings


@dataclass(frozen=True)
class Pushes:
    """Takes the webhooks of GitHub and GitLab."""

    session: Session
    settings: RetrainSettings
    submitting: Submitting
    deliveries: Deliveries

    def take(self, headers: Mapping[str, str], body: bytes) -> list[Job]:
        """The jobs of the models that a push changes; one that is refused is refused alone.

        Raises:
            TrainyardError: as ``requests_of_push``.
        """
        repository = self.session.repository.source()
        requests = requests_of_push(
            headers, body, self.settings, self._affected, self.deliveries, repository=repository
        )
        return [self.submitting.submit(request, "push") for request in requests]

    def _affected(self, push: Push) -> Sequence[str]:
        fetch_if_missing(self.session, push.commit, self.settings)
        repository = self.session.repository
        before = push.before or repository.commit([]).removesuffix("-dirty")
        return sorted(affected_by(self.session, repository.changed_between(before, push.commit)).models)
