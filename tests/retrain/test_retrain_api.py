"""The API of the retrain service: errors, tokens, limits, pages of jobs, logs as they come, its own document."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from experiments.tracking import Tracking
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from monorepo import Monorepo
from waiting import until

from retrain.services import Service

if TYPE_CHECKING:  # takes seconds to import
    import schemathesis

NONE = "20200101-000000-00000000"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({"modell": "x"}, "#/modell: Extra inputs are not permitted"),
        ({}, "names no model"),
        ({"model": "a", "MLproject_location": "b"}, "keep one"),
        ({"model": 5}, "#/model: Input should be a valid string"),
        ({"model": "a\nb"}, "#/model: Value error, has a control character"),
        ({"model": "x" * 3000}, "#/model: String should have at most 2000 characters"),
        ({"model": "pfirst/first", "priority": 1000}, "#/priority: Input should be less than or equal to 100"),
        ({"model": "pfirst/first", "on_conflict": "explode"}, "#/on_conflict"),
        (b"{", "JSON decode error"),
        (b'{"model": "pfirst/first", "params": {"x": NaN}}', "#/params"),
        (b"[]", "valid dictionary"),
        (b"\xff", ""),
    ],
    ids=str,
)
def test_what_cannot_be_asked_for(service: Service, body: object, detail: str) -> None:
    answer = service.ask("/retrain", body)
    assert answer.status in (400, 422)
    assert detail in answer.problem(answer.status)
    assert "Traceback" not in answer.text


def test_the_body_of_the_older_service_is_taken_as_it_stands(service: Service) -> None:
    body = {
        "experiment_name": "e", "git_uri": "https://git@github.com/user/repo.git", "MLproject_location": "a/b",
        "commit_hash": "main", "dataset_uri": "", "base_model": "",
    }  # fmt: skip
    assert "RETRAIN_SOURCES" in service.ask("/retrain", body).text  # the repository is not allowed here: nothing else
    body["git_uri"] = ""
    job = service.ask("/retrain", body).json
    assert job["request"]["MLproject_location"] == "a/b"
    older = service.ask("/retrain", {"model": "x", "dataset_repo": "not_used", "base_model": "None"}).json
    assert (older["request"]["dataset_uri"], older["request"]["base_model"]) == ("", "")
    for one in (job, older):
        service.over(one["id"])


def test_the_same_request_again_is_the_same_job(service: Service) -> None:
    body = {"model": "pnone/none"}
    first = service.ask("/retrain", body, Idempotency_Key="abc").json["id"]
    again = service.ask("/retrain", body, Idempotency_Key="abc")
    assert (again.status, again.json["id"]) == (202, first)
    assert "another request" in service.ask("/retrain", {"model": "other"}, Idempotency_Key="abc").problem(422)
    assert service.ask("/retrain", body, Idempotency_Key="abd").json["id"] != first


def test_jobs_by_pages_and_filters(service: Service) -> None:
    ids = [service.submit(model=f"pages/m{number}") for number in range(3)]
    for job in ids:
        service.over(job)
    page = service.ask("/jobs?text=pages/m&limit=1&state=failed").json
    found = [job["id"] for job in page["jobs"]]
    while page["next"]:
        page = service.ask(page["next"].partition(str(service.port))[2]).json
        found += [job["id"] for job in page["jobs"]]
    assert found == sorted(ids, reverse=True)
    assert service.ask("/jobs?text=pages/m&state=waiting").json["jobs"] == []
    assert service.ask("/jobs?text=%25").json["jobs"] == []
    assert "#/query/limit" in service.ask("/jobs?limit=0").problem(422)
    assert NONE in service.ask(f"/jobs/{NONE}").problem(404)
    for path in ("/jobs/..%2f..%2fetc", "/jobs/x/log", f"/jobs/{NONE}/log", "/nothing"):
        answer = service.ask(path)
        assert answer.problem(answer.status) and answer.status in (404, 422)
    assert service.ask("/retrain", method="DELETE").problem(405)


def test_the_log_as_it_comes(service: Service) -> None:
    """Each line once, also for one who comes back after a break."""
    job = service.submit(model="pfirst/first", params={"steps": 10, "pause": 0.2})
    lines, last = _events(service, job, "0", until_line="Step train")
    assert not any("trained by process" in line for line in lines)
    more, _ = _events(service, job, last)
    whole = service.jobs_log(job).splitlines()
    assert lines + more == whole
    assert any("trained by process" in line for line in more)


def _events(service: Service, job: str, last: str, until_line: str = "") -> tuple[list[str], str]:
    """The lines of a stream of events, until its end or a line that has a text; and the last id."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    connection.request("GET", f"/jobs/{job}/log", headers={"Accept": "text/event-stream", "Last-Event-ID": last})
    response = connection.getresponse()
    assert response.getheader("content-type", "").startswith("text/event-stream")
    lines: list[str] = []
    data: list[str] = []
    while True:
        line = response.readline().decode().rstrip("\n")
        if line.startswith("id: "):
            last = line[4:]
        elif line.startswith("data: "):
            data.append(line[6:])
        elif line.startswith("event: end"):
            return lines, last
        elif not line:
            lines, data = lines + data, []
            if until_line and any(until_line in one for one in lines):
                connection.close()
                return lines, last


def test_metrics_and_health(service: Service) -> None:
    assert service.ask("/livez").text == "ok\n"
    assert service.ask("/readyz").status == 200
    from prometheus_client.parser import text_string_to_metric_families

    families = {family.name: family for family in text_string_to_metric_families(service.ask("/metrics").text)}
    jobs = {sample.labels["state"]: sample.value for sample in families["trainyard_retrain_jobs"].samples}
    assert set(jobs) == {"waiting", "running", "succeeded", "failed", "cancelled"}


def test_pages_name_nothing_of_other_hosts(service: Service) -> None:
    """What a browser loads is ours: there may be no internet, and nobody else is told."""
    for path in ("/", "/docs", "/static/page.js", "/static/style.css", "/docs-files/swagger-ui-bundle.js"):
        answer = service.ask(path)
        assert answer.status == 200
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        if not path.startswith("/docs-files"):
            assert "https://" not in answer.text and "//cdn" not in answer.text
    assert "/openapi.json" in service.ask("/docs").text


@pytest.fixture(scope="module")
def guarded(tracked_repo: tuple[Monorepo, Tracking]) -> Iterator[Service]:
    """A service of another monorepo, with tokens, that every address may reach, and narrow limits."""
    repo, tracking = tracked_repo
    other = Monorepo(repo.path.parent / "guarded")
    made = {}
    for name, scope in (("reader", "read"), ("ci", "retrain"), ("boss", "admin")):
        made[name] = other.make(None, "retrain-token", f"NAME={name}", f"SCOPE={scope}").succeeded().out.strip()
    service = Service(other, tracking.url, {"BIND": "0.0.0.0", "RETRAIN_RATE": "60", "RETRAIN_BODY_KB": "10"})
    service.start()
    service.env |= made
    yield service
    service.stop()


def _as(service: Service, name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {service.env[name]}"}


def test_tokens_and_their_scopes(guarded: Service) -> None:
    assert "make retrain-token" in guarded.ask("/jobs").problem(401)
    assert guarded.ask("/jobs").headers["www-authenticate"] == "Bearer"
    assert "not known" in guarded.ask("/jobs", Authorization="Bearer try_no").problem(401)
    assert guarded.ask("/jobs", **_as(guarded, "reader")).status == 200
    refused = guarded.ask("/retrain", {"model": "p/m"}, **_as(guarded, "reader"))
    assert refused.problem(403) == "the token reader may read, this needs retrain"
    job = guarded.ask("/retrain", {"model": "p/m"}, **_as(guarded, "ci")).json
    assert job["trigger"] == "token ci"
    assert guarded.ask("/livez").status == 200


def test_a_token_is_nowhere_but_with_whom_it_was_made_for(guarded: Service) -> None:
    for path in guarded.repo.path.rglob("*"):
        if path.is_file() and not path.is_symlink() and ".venv" not in path.parts:
            content = path.read_bytes()
            for name in ("reader", "ci", "boss"):
                assert guarded.env[name].encode() not in content, path


def test_a_token_ends(guarded: Service) -> None:
    token = guarded.repo.make(None, "retrain-token", "NAME=gone", "SCOPE=read").succeeded().out.strip()
    assert guarded.ask("/jobs", Authorization=f"Bearer {token}").status == 200
    guarded.repo.make(None, "retrain-token", "NAME=gone").failed("there is a token gone already", "EXPIRES=0")
    guarded.repo.make(None, "retrain-token", "NAME=gone", "EXPIRES=0").succeeded()
    assert guarded.ask("/jobs", Authorization=f"Bearer {token}").status == 401
    guarded.repo.make(None, "retrain-token", "NAME=gone", "EXPIRES=soon").failed("EXPIRES=soon: not a time", "90d")
    guarded.repo.make(None, "retrain-token", "NAME=gone", "SCOPE=all").failed("read, retrain, admin")
    guarded.repo.make(None, "retrain-token", "NAME=../x").failed("not a name")
    guarded.repo.make(None, "retrain-token").failed("NAME is not set")


def test_a_large_body_is_refused_before_it_is_read(guarded: Service) -> None:
    large = b'{"model": "' + b"x" * 20_000 + b'"}'
    assert "RETRAIN_BODY_KB" in guarded.ask("/retrain", large, **_as(guarded, "ci")).problem(413)
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=30) as connection:  # in chunks, without an end
        connection.sendall(b"POST /retrain HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.sendall(b"4e20\r\n" + b"x" * 20_000 + b"\r\n")
        assert b"413" in connection.recv(1000)


def test_who_asks_too_often_waits(guarded: Service) -> None:
    headers = _as(guarded, "boss")
    answers = [guarded.ask("/jobs", **headers) for _ in range(70)]
    refused = [answer for answer in answers if answer.status != 200]
    assert 5 <= len(refused) <= 15
    assert "60 requests a minute" in refused[0].problem(429)
    assert int(refused[0].headers["retry-after"]) <= 2
    assert guarded.ask("/jobs", **_as(guarded, "ci")).status == 200  # others do not wait


def test_without_a_token_only_this_machine_may_ask(service: Service) -> None:
    """Nor a page in a browser, whose site's name leads here."""
    assert service.ask("/jobs").status == 200
    assert "this machine alone" in service.ask("/jobs", Host="evil.example").problem(403)
    assert service.ask("/jobs", Host=f"localhost:{service.port}").status == 200
    forwarded = service.ask("/jobs", X_Forwarded_For="203.0.113.9")
    assert "this machine alone" in forwarded.problem(403)
    other = Monorepo(service.repo.path.parent / "open")
    made = other.make(None, "retrain-service", "BIND=0.0.0.0", f"TRACKING_URI={service.tracker}")
    made.failed("BIND=0.0.0.0: there is no token", "make retrain-token")


def test_one_service_for_each_monorepo(service: Service) -> None:
    made = service.repo.make(None, "retrain-service", f"TRACKING_URI={service.tracker}", "RETRAIN_PORT=1")
    made.failed("another retrain service of this monorepo runs")


@pytest.mark.slow
def test_its_document_says_what_it_answers(service: Service) -> None:
    """schemathesis makes requests of the document, good ones and bad ones, and compares the answers with it."""
    import schemathesis

    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{service.port}/openapi.json")
    names = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
    checks = [getattr(schemathesis.checks, name) for name in names]
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {operation.path for operation in operations} >= {"/retrain", "/jobs", "/jobs/{job_id}/log", "/metrics"}
    for operation, mode in itertools.product(operations, schemathesis.GenerationMode):

        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case) -> None:
            case.validate_response(case.call(), checks=checks)

        with contextlib.suppress(Unsatisfiable):  # nothing bad can be said to what takes nothing
            ask()
    until(lambda: not _cancelled(service))


def _cancelled(service: Service) -> list[str]:
    """The jobs that were not over; each is cancelled."""
    found = [job["id"] for job in service.ask("/jobs?state=waiting&state=running&limit=200").json["jobs"]]
    for job in found:
        service.ask(f"/jobs/{job}/cancel", b"")
    return found
