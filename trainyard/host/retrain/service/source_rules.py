"""Which repositories a job may be of, and whether their code can be confined."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from trainyard.host.retrain.service.problems import Problem
from trainyard.host.retrain.service.submitting import Source
from trainyard.host.retrain.sources.allow_list import parse_allow_list
from trainyard.host.retrain.sources.git_uri import parse
from trainyard.settings.retrain import RetrainSettings


@dataclass(frozen=True)
class SourceRules:
    """``engine``: the name of the one that jobs run on."""

    settings: RetrainSettings
    engine: str

    def source_of(self, text: str) -> Source:
        """What a ``git_uri`` means.

        Raises:
            Problem: no such repository may be named, or nothing would confine its code.
            TrainyardError: it is not the address of a repository.
        """
        uri = parse(text)
        if not parse_allow_list(self.settings.sources).allows(uri):
            raise Problem(HTTPStatus.FORBIDDEN, f"RETRAIN_SOURCES does not name {uri.shown}")
        if self.engine == "process" and not self.settings.unconfined:
            detail = "the process engine cannot confine the code of another repository: RETRAIN_UNCONFINED=1 allows it"
            raise Problem(HTTPStatus.FORBIDDEN, detail)
        return Source(uri.remote, uri.secret)
