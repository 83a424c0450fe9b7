"""A run in MLflow's words: what it calls things, which names it takes, how long its texts may be."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from trainyard.host.experiments.metrics_log import Point
from trainyard.host.experiments.origin import UNKNOWN
from trainyard.host.experiments.run_files import Run

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Metric, Param, RunTag

RUN_TAG = "trainyard.run_id"  # by which a run is found again
PARENT = "mlflow.parentRunId"
# What is not finished and did not fail was ended by somebody. The tag trainyard.status has our own word.
STATUSES = {"running": "RUNNING", "finished": "FINISHED", "failed": "FAILED"}
ENDED_EARLY = "KILLED"
# Characters, as MLflow's tables have it.
LONGEST_NAME, LONGEST_PARAM, LONGEST_TAG, LONGEST_DIGEST = 250, 6000, 8000, 36
LONGEST_DATASET, LONGEST_DESCRIPTION = 500, 5000
CUT = " ... (cut)"
_BATCH = 100_000  # characters of one request; MLflow takes a million bytes
_MOST = 2**63 - 1  # a step, or a time
Entity = TypeVar("Entity", "Param", "RunTag")


def experiment_of(run: Run) -> str:
    """The tag ``experiment`` of the run, else its project."""
    return cut(run.tags.get("experiment", "").strip(), LONGEST_NAME) or project_of(run)


def run_name(run: Run) -> str:
    """What MLflow's tables show. It begins with what `ID=` takes and no other run has."""
    what = run.tags.get("description", "") or run.model_name
    if run.kind == "trial":
        what = f"trial {run.tags.get('trial', '')} of {run.model_name}"
    elif run.kind == "tuning":
        what = f"tuning of {what}"
    return cut(f"{run.short_id} {' '.join(what.split())}", LONGEST_NAME)


def project_of(run: Run) -> str:
    return run.model.partition("/")[0]


def registered_name(project: str, model_name: str) -> str:
    """What a model is called in the registry: names of models are a project's own."""
    return f"{project}.{model_name}"


def milliseconds(moment: str) -> int:
    """MLflow's time of one of ours."""
    return int(datetime.fromisoformat(moment).timestamp() * 1000)


def named(name: str) -> str:
    """A name that MLflow takes. Where it has to be another, it ends in a hash: no two names may become one."""
    allowed = re.fullmatch(r"[/\w.\- :]+", name, re.ASCII) and len(name) <= LONGEST_NAME
    if allowed and posixpath.normpath(name) == name and not name.startswith(("/", "..")) and name != ".":
        return name
    kept = re.sub(r"[^\w\-]+", "_", name, flags=re.ASCII)[: LONGEST_NAME - 9].strip("_")
    return f"{kept}_{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"


def cut(text: str, longest: int) -> str:
    """The text, as far as MLflow and its database keep it: PostgreSQL has no NUL, UTF-8 no half of a character."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return text if len(text) <= longest else text[: longest - len(CUT)] + CUT


def metrics(points: Iterable[Point]) -> list[Metric]:
    from mlflow.entities import Metric

    return [
        Metric(named(point.name), point.value, max(0, min(point.time, _MOST)), max(-_MOST, min(point.step, _MOST)))
        for point in points
    ]


def final_points(run: Run, points: Iterable[Point]) -> list[Point]:
    """The run's metrics where they are not the last that its training had reported: as of its end, after all steps."""
    last = {point.name: point for point in points}
    end = milliseconds(run.finished)
    return [
        Point(name, value, last[name].step if name in last else 0, end)
        for name, value in run.metrics.items()
        if name not in last or repr(last[name].value) != repr(value)
    ]


def params(run: Run, there: Mapping[str, str]) -> tuple[list[Param], dict[str, str]]:
    """The parameters that are not ``there`` yet; and as tags those that are, with another value: a parameter cannot
    be changed in MLflow, and a training may understand one in another way than it was given."""
    from mlflow.entities import Param

    texts = {named(name): cut(_text(value), LONGEST_PARAM) for name, value in run.params.items()}
    changed = {f"trained.{name}": text for name, text in texts.items() if there.get(name, text) != text}
    return [Param(name, text) for name, text in texts.items() if name not in there], changed


def tags(run: Run) -> dict[str, str]:
    """The run's own tags, and those that MLflow shows in a place of their own."""
    known = {
        RUN_TAG: run.id,
        "trainyard.model": run.model,
        "trainyard.model_name": run.model_name,
        "trainyard.kind": run.kind,
        "trainyard.status": run.status,
        "trainyard.error": run.error,
        "mlflow.note.content": run.tags.get("description", ""),
        "mlflow.user": _owner(run),
        "mlflow.source.name": f"projects/{run.model}",
        "mlflow.source.type": "JOB",
        "mlflow.source.git.commit": run.tags.get("commit", "").removesuffix(UNKNOWN),
    }
    own = {named(name): value for name, value in run.tags.items() if name != PARENT}
    return {name: cut(value, LONGEST_TAG) for name, value in {**known, **own, **known}.items() if value}


def shortened(run: Run) -> list[str]:
    """Names of what MLflow does not get as it is."""
    long = [name for name, value in run.params.items() if len(_text(value)) > LONGEST_PARAM]
    long += [name for name, value in run.tags.items() if len(value) > LONGEST_TAG]
    return long + [name for name in {*run.params, *run.tags, *run.metrics} if named(name) != name]


def dataset_input(run: Run) -> DatasetInput | None:
    """What the run was trained on; its digest is as much of the sha256 as MLflow has room for."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    name, sha256 = run.tags.get("dataset", ""), run.tags.get("dataset_sha256", "")
    if not name or not sha256:
        return None
    name = cut(name, LONGEST_DATASET)
    url = run.tags.get("dataset_url", "") or (name if "://" in name else f"projects/{project_of(run)}/{name}")
    kind, key = _source(url)
    described = {"sha256": sha256, "version": run.tags.get("dataset_version", "")}
    profile = json.dumps({name: value for name, value in described.items() if value})
    dataset = Dataset(name, sha256[:LONGEST_DIGEST], kind, json.dumps({key: url}), profile=profile)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def _source(url: str) -> tuple[str, str]:
    """What MLflow calls a place that data comes from, and the key of its URL."""
    scheme = url.partition("://")[0] if "://" in url else ""
    return (
        ("http", "url") if scheme in ("http", "https") else (scheme if scheme not in ("", "file") else "local", "uri")
    )


def batches(entities: Iterable[Entity]) -> Iterator[list[Entity]]:
    """As many at a time as one request may hold."""
    batch: list[Entity] = []
    size = 0
    for entity in entities:
        size += len(entity.key) + len(entity.value)
        if batch and (size > _BATCH or len(batch) == 100):
            yield batch
            batch, size = [], len(entity.key) + len(entity.value)
        batch.append(entity)
    if batch:
        yield batch


def _owner(run: Run) -> str:
    """Who has trained; somebody else may upload it."""
    try:
        return run.folder.owner()
    except KeyError:  # a user id without a name
        return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
