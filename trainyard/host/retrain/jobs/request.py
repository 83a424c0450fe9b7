"""What somebody asks for: the body of ``POST /retrain``."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, HttpUrl, field_validator, model_validator

_Text = Annotated[str, Field(max_length=2000)]


class OnConflict(StrEnum):
    """What becomes of a job whose model has another one that is not over."""

    WAIT = "wait"
    REPLACE = "replace"
    REFUSE = "refuse"


class RetrainRequest(BaseModel):
    """Train a model again. The names of the first six are those of the service that came before this one."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True, populate_by_name=True)

    experiment_name: _Text = Field("", description="the experiment of the tracker; default: the model's project")
    git_uri: _Text = Field("", description="the repository; default: the service's own monorepo")
    mlproject_location: _Text = Field(
        "",
        alias="MLproject_location",
        description="the folder in the repository: a model directory, or one with an MLproject",
    )
    commit_hash: _Text = Field("", description="a commit, branch or tag; default: the newest commit")
    dataset_uri: _Text = Field(
        "", validation_alias=AliasChoices("dataset_uri", "dataset_repo"),
        description="<store>:<path>, a DVC or git repository, or a URL; default: the model's own",
    )  # fmt: skip
    base_model: _Text = Field(
        "", description="a run id, or <registered model>/<version>: training begins from its binary"
    )
    model: _Text = Field("", description="name or folder of a model directory; in place of MLproject_location")
    params: dict[str, Any] = Field(default_factory=dict, description="parameters of the training")
    priority: int = Field(0, ge=-100, le=100, description="higher ones are carried out first")
    callback_url: HttpUrl | None = Field(None, description="is sent the job when it is over")
    deploy: bool = Field(False, description="the job ends when the server of the champion serves the new one")
    compute: _Text = Field("", description="where it trains: a name in compute.yaml of the service; default: here")
    on_conflict: OnConflict = Field(OnConflict.WAIT, description="what becomes of it where the model has another job")

    @field_validator("base_model", "dataset_uri")
    @classmethod
    def _absent(cls, given: str) -> str:
        """As the older service's projects say that there is none."""
        return "" if given in ("None", "not_used") else given

    @field_validator("*", mode="before")
    @classmethod
    def _one_line(cls, given: Any) -> Any:
        if isinstance(given, str) and any(ord(character) < 32 or ord(character) == 127 for character in given):
            raise ValueError("has a control character")
        return given

    @field_validator("params")
    @classmethod
    def _finite(cls, given: dict[str, Any]) -> dict[str, Any]:
        for name, value in given.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{name} is no number that JSON has")
        return given

    @model_validator(mode="after")
    def _names_a_model(self) -> RetrainRequest:
        if self.model and self.mlproject_location:
            raise ValueError("model and MLproject_location are two names of one thing: keep one")
        if not self.model and not self.mlproject_location and not self.git_uri:
            raise ValueError("names no model: say model, or git_uri and MLproject_location")
        return self

    @property
    def location(self) -> str:
        """Which model of the repository; empty for the folder at its top."""
        return self.model or self.mlproject_location
