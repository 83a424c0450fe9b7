"""The section ``retrain:`` of config.yaml: when the retrain service trains the model again by itself, and how."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from trainyard.host.experiments.yaml_files import Section

_FIELDS = 5  # of a schedule: with a sixth one cronsim would count seconds


class DriftTrigger(Section):
    """Train when ``threshold`` more values were unlike those of the training. ``server`` is one of ours that serves the
    model; its ``/metrics`` counts them. ``of``: only those of this column."""

    server: str
    threshold: Annotated[int, Field(ge=1)]
    of: str = ""

    @field_validator("server")
    @classmethod
    def _url(cls, given: str) -> str:
        try:
            place = urlsplit(given)
            known = place.scheme in ("http", "https") and bool(place.hostname) and place.port != 0
        except ValueError:
            known = False
        if not known:
            raise ValueError("not the URL of a server: write http://<host>:<port>")
        if place.username is not None or place.password is not None:
            raise ValueError("it holds a user or a password, which has no place in a repository")
        if place.query or place.fragment:
            raise ValueError("it has more than host, port and path: remove what begins with ? or #")
        return given.rstrip("/")


class RetrainSection(Section):
    """All of the section. ``network``: the training of a job may use the network. ``deploy``: the job of a trigger ends
    when the new champion is served."""

    schedule: str = ""
    time_zone: str = "UTC"
    on_data: bool = False
    on_drift: DriftTrigger | None = None
    network: bool = False
    deploy: bool = False

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, given: str) -> str:
        try:
            ZoneInfo(given)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("there is no such time zone: write one as Europe/Berlin") from None
        return given

    @field_validator("schedule")
    @classmethod
    def _cron(cls, given: str) -> str:
        if given:
            check_schedule(given)
        return given

    @model_validator(mode="after")
    def _zone_of_a_schedule(self) -> RetrainSection:
        if "time_zone" in self.model_fields_set and not self.schedule:
            raise ValueError("time_zone says when schedule is, and there is no schedule")
        return self

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def has_trigger(self) -> bool:
        """Whether anything trains the model without a request."""
        return bool(self.schedule or self.on_data or self.on_drift)


def check_schedule(text: str) -> None:
    """Raises:
    ValueError: it is no schedule of cron, or of no time that ever comes."""
    from cronsim import CronSim, CronSimError  # only models with a schedule need it

    if len(text.split()) != _FIELDS:
        raise ValueError("a schedule has five fields, minute hour day month weekday: write one as '30 2 * * *'")
    try:
        next(CronSim(text, datetime.now(UTC)))
    except CronSimError as error:
        raise ValueError(f"{str(error).lower()}: write minute hour day month weekday, as '30 2 * * *'") from None
    except StopIteration:
        raise ValueError("no day is like that: the model would never be trained") from None
