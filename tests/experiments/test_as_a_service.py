"""The use cases as a service calls them: values in, results back, errors raised, and nothing printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from monorepo import Model, Monorepo, free_port

from trainyard.errors import TrainyardError
from trainyard.host.monorepo.model_dir import ROLES
from trainyard.host.network import http_client as client
from trainyard.host.operations.build import build_model
from trainyard.host.operations.promotion import promote, rollback
from trainyard.host.operations.serve_model import serve_model
from trainyard.host.operations.servers import stop_everything
from trainyard.host.operations.session import Session, open_session
from trainyard.host.operations.train import train
from trainyard.host.support.command import Commands, Limit
from trainyard.host.support.console import Terminal
from trainyard.host.support.reporter import Recording

CONFIG = "promotion: {metric: loss, min_delta: 0.001}\n"


@pytest.fixture
def reporter() -> Recording:
    return Recording()


@pytest.fixture
def session(repo: Monorepo, reporter: Recording) -> Iterator[Session]:
    found = open_session(repo.path, reporter)
    found = replace(found, settings=replace(found.settings, engine="process", detach=True, port=free_port()))
    yield found
    stop_everything(found)


def asked(session: Session, **params: float) -> Session:
    """The session of a request that asks for a training with these parameters."""
    return replace(session, settings=replace(session.settings, payload=json.dumps({"params": params})))


@pytest.mark.slow
def test_build_train_serve_and_compare(
    session: Session, model: Model, reporter: Recording, capfd: pytest.CaptureFixture[str]
) -> None:
    (model.path / "config.yaml").write_text(CONFIG)
    found = session.repository.model(model.path)
    assert [build_model(session, found, role) for role in ROLES] == [found.image(role) for role in ROLES]
    run = train(asked(session, x=1.0), found)
    assert run is not None
    assert (run.status, run.metrics["loss"]) == ("finished", 1.0)
    first, decision = promote(session, found)
    assert (first.number, first.run_id, decision.promoted) == (1, run.id, True)
    train(asked(session, x=9.0), found)
    with pytest.raises(TrainyardError, match=r"version 2 of .* is not the champion"):
        promote(session, found)
    train(asked(session, x=2.0), found)
    third, _ = promote(session, found)
    assert [version.number for version in rollback(session, found)] == [first.number, third.number]
    url = serve_model(session, found)
    body = model.path.joinpath("test", "test_instances.json").read_bytes()
    answer = client.post(f"{url}/{found.routes[0].path}", body, 10, "")
    assert answer.body["payload"]["predictions"] == [6.0, 14.0]
    with pytest.raises(TrainyardError, match="runs already"):
        serve_model(session, found)
    assert capfd.readouterr() == ("", "")
    assert f"Built {found.image('train')}" in reporter.noted("step")
    assert any("trained by process" in text for text in reporter.noted("output"))
    assert not any("trained by process" in text for text in reporter.noted("step", "warning"))


def test_a_dry_run_reports_what_it_would_do(
    repo: Monorepo, model: Model, capfd: pytest.CaptureFixture[str], reporter: Recording
) -> None:
    session = open_session(repo.path, reporter, dry_run=True).local()
    assert train(session, session.repository.model(model.path)) is None
    assert [text for text in reporter.noted("would") if text.endswith("s2i/bin/run")]
    assert capfd.readouterr() == ("", "")


def test_lines_of_several_threads_stay_whole(capfd: pytest.CaptureFixture[str]) -> None:
    """As builds side by side print them."""
    commands = Commands(reporter=Terminal())
    program = "for number in range(200): print('x' * 300)"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: commands.stream([sys.executable, "-c", program], Limit("", 60)), range(4)))
    out, err = capfd.readouterr()
    assert (out, err.splitlines()) == ("", ["x" * 300] * 800)
