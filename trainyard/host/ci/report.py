"""make ci-report: which models a change touches, what it makes of each, and the page of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from trainyard.errors import TrainyardError
from trainyard.host.ci.base_commit import base_commit
from trainyard.host.ci.model_news import ModelNews, news_of
from trainyard.host.ci.report_text import report_text
from trainyard.host.ci.touched import touched_models
from trainyard.host.operations.session import Session


@dataclass(frozen=True)
class Report:
    """Its Markdown, and the models that failed."""

    text: str
    failed: tuple[str, ...]


def make_report(
    session: Session, models: Sequence[str] | None, folder: Path, failures: Mapping[str, str] = MappingProxyType({})
) -> Report:
    """The report on ``models``, by name, or on those that the change touches; seen from ``folder``. ``failures`` are
    what the caller knows of. Where there is nothing to compare with it is on all models, and says why.

    Raises:
        TrainyardError: a name is no model's.
    """
    root, missing, base = session.repository.root, "", ""
    try:
        base = base_commit(root, session.settings.since)
    except TrainyardError as error:
        missing = str(error)
    paths = _paths(session, models, base)
    news = [news_of(session, path, base, failures) for path in paths]
    news += [ModelNews(name, error=why) for name, why in failures.items() if name not in {one.name for one in news}]
    return Report(report_text(news, base, missing, folder), tuple(one.name for one in news if one.error))


def _paths(session: Session, named: Sequence[str] | None, base: str) -> list[Path]:
    there = {f"{path.parent.name}/{path.name}": path for path in session.repository.every_model_path()}
    if named is not None:
        return [_known(there, name) for name in dict.fromkeys(named)]
    if not base:
        return list(there.values())
    return [there[name] for name in touched_models(session, base)]


def _known(there: Mapping[str, Path], name: str) -> Path:
    if name not in there:
        raise TrainyardError(f"MODEL={name}: there is no such model", f"there are {', '.join(there)}")
    return there[name]
