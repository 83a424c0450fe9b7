"""The service's page in a real browser, as people see it and use it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import Visit
from experiments.reproductions import commit
from experiments.tracking import Tracking
from monorepo import Monorepo
from waiting import until

from retrain.services import Service

SLOW = {"steps": 300, "pause": 0.1}
NIGHTLY = pytest.param(1280, "light", marks=pytest.mark.nightly)
MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>"
SAYS_MARKUP = f"""
def train(msg):
    print({MARKUP!r}, flush=True)
    raise RuntimeError({MARKUP!r})
"""


@pytest.fixture
def page(service: Service, visit: Callable[..., Visit]) -> Iterator[Any]:
    one = _patient(visit())
    one.page.goto(f"http://127.0.0.1:{service.port}/")
    yield one.page
    assert one.complaints == []
    assert one.hosts == {f"http://127.0.0.1:{service.port}"}


def _patient(one: Visit) -> Visit:
    """What is waited for is mostly a job, on a machine that is busy."""
    one.page.set_default_timeout(90_000)
    return one


def _row(page: Any, job: str) -> Any:
    return page.locator("#jobs tr", has_text=job)


def test_a_job_is_seen_from_its_beginning_to_its_end(service: Service, page: Any) -> None:
    job = service.submit(model="psecond/second", params={"x": 1.0, "steps": 80, "pause": 0.1})
    _row(page, job).get_by_text("running").wait_for()
    _row(page, job).get_by_role("link").click()
    page.locator("#steps li", has_text="train").wait_for()
    page.locator("#log", has_text="Step train").wait_for()
    assert "trained by process" not in page.locator("#log").text_content()  # as it comes
    page.locator("#log", has_text="trained by process").wait_for()
    page.locator("#job-title", has_text="succeeded").wait_for()
    found = service.succeeded(job)
    facts = page.locator("#facts").text_content()
    assert all(text in facts for text in (found["run"], found["version"], found["commit"], "loss"))
    for name in ("run", "version"):
        assert page.get_by_role("link", name=found[name]).get_attribute("href") == found["links"][name]
    assert page.get_by_role("button", name="Retry").is_visible()
    assert not page.get_by_role("button", name="Cancel").is_visible()
    until(lambda: page.locator("#log").text_content().split() == service.jobs_log(job).split())


def test_cancel_retry_and_filters(service: Service, page: Any) -> None:
    job = service.submit(model="pthird/third", params=SLOW)
    service.running(job)
    page.goto(f"http://127.0.0.1:{service.port}/#{job}")
    page.get_by_role("button", name="Cancel").click()
    page.locator("#job-title", has_text="cancelled").wait_for()
    page.get_by_role("button", name="Retry").click()
    page.locator("#job-title", has_text=f"{job}").wait_for(state="hidden")
    again = page.url.partition("#")[2]
    assert service.job(again)["retry_of"] == job
    page.get_by_role("button", name="Cancel").click()
    page.locator("#job-title", has_text="cancelled").wait_for()
    page.get_by_label("State").select_option("cancelled")
    page.get_by_label("Model or repository").fill("pthird")
    until(lambda: {"cancelled"} == set(page.locator("#jobs td:nth-child(3)").all_text_contents()))
    assert _row(page, job).is_visible() and _row(page, again).is_visible()
    page.get_by_label("Model or repository").fill("no such model")
    page.get_by_text("No job is like that").wait_for()


def test_what_a_job_says_is_text(service: Service, page: Any) -> None:
    path = service.repo.path / "projects/pthird/third/train.py"
    before = path.read_text()
    path.write_text(SAYS_MARKUP)
    commit(service.repo)
    try:
        job = service.submit(model="pthird/third", experiment_name=MARKUP)
        assert MARKUP in service.over(job)["reason"]
    finally:
        path.write_text(before)
        commit(service.repo)
    page.goto(f"http://127.0.0.1:{service.port}/#{job}")
    page.locator("#job-reason", has_text="<script>alert(2)</script>").wait_for()
    page.locator("#log", has_text="<img src=x onerror=alert(1)>").wait_for()
    odd = service.submit(model=MARKUP)
    _row(page, odd).get_by_text(MARKUP).wait_for()
    assert page.locator("main img, main script").count() == 0


def test_by_the_keyboard_alone(service: Service, page: Any) -> None:
    """The list is drawn anew every two seconds: whoever is in it stays there."""
    job = service.submit(model="pfirst/firts")
    service.over(job)
    _row(page, job).wait_for()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == job:
            break
    row = _row(page, job).element_handle()
    until(lambda: not row.evaluate("row => row.isConnected"), 20)
    assert page.evaluate("document.activeElement.textContent") == job
    page.keyboard.press("Enter")
    page.locator("#job-title", has_text="failed").wait_for()
    reached: set[str] = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"retry", "log"} <= reached


@pytest.fixture(scope="module")
def ended(service: Service) -> list[str]:
    """The ids of a job that has failed and of one that went well."""
    jobs = [service.submit(model="pfirst/first", params=params) for params in ({"crash": True}, {"x": 1.9})]
    assert [service.over(job)["state"] for job in jobs] == ["failed", "succeeded"]
    return jobs


@pytest.mark.parametrize(("width", "scheme"), [NIGHTLY, (1280, "dark"), (360, "light")])
def test_it_fits(
    service: Service, ended: list[str], visit: Callable[..., Visit], width: int, scheme: str, tmp_path: Path
) -> None:
    """TRAINYARD_SCREENSHOTS: a folder for pictures, to look at."""
    one = _patient(visit(width, scheme))
    for name in ended:
        one.page.goto(f"http://127.0.0.1:{service.port}/#{name}")
        one.page.locator("#job-title", has_text=name).wait_for()
        one.page.locator("#log", has_text="Step train").wait_for()
        assert one.page.evaluate("document.documentElement.scrollWidth") <= width
        folder = Path(os.environ.get("TRAINYARD_SCREENSHOTS", tmp_path))
        one.page.screenshot(path=folder / f"{scheme}-{width}-{name[-8:]}.png", full_page=True)
    assert one.complaints == []


def test_its_documentation_is_shown(service: Service, visit: Callable[..., Visit]) -> None:
    one = _patient(visit())
    one.page.goto(f"http://127.0.0.1:{service.port}/docs")
    one.page.get_by_text("/retrain", exact=True).first.wait_for()
    assert one.complaints == []
    assert one.hosts <= {f"http://127.0.0.1:{service.port}", "data:"}


def test_a_token_is_asked_for(
    tracked_repo: tuple[Monorepo, Tracking], visit: Callable[..., Visit], tmp_path: Path
) -> None:
    _, tracking = tracked_repo
    own = Monorepo(tmp_path / "guarded")
    token = own.make(None, "retrain-token", "NAME=reader", "SCOPE=read").succeeded().out.strip()
    guarded = Service(own, tracking.url)
    guarded.start()
    try:
        one = _patient(visit())
        one.page.goto(f"http://127.0.0.1:{guarded.port}/")
        one.page.get_by_role("alert").get_by_text("a bearer token is needed").wait_for()
        one.page.get_by_label("Token").fill("wrong")
        one.page.get_by_role("button", name="Show jobs").click()
        one.page.get_by_role("alert").get_by_text("not known").wait_for()
        one.page.get_by_label("Token").fill(token)
        one.page.keyboard.press("Enter")
        one.page.get_by_text("There are no jobs").wait_for()
        assert not one.page.get_by_label("Token").is_visible()
        assert token not in one.page.url
        assert [line for line in one.complaints if "401" not in line] == []
        one.page.reload()
        one.page.get_by_text("There are no jobs").wait_for()
    finally:
        guarded.stop()
