"""Pages in a real browser: the fixtures ``browser`` and ``visit``, for every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from needs import need


class Visit:
    """A page, and what went wrong in it."""

    def __init__(self, browser: Any, width: int, scheme: str) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.set_default_timeout(10_000)
        self.complaints: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append("a dialog") or dialog.dismiss())
        self.page.on("request", lambda request: self.hosts.add("/".join(request.url.split("/")[:3])))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    need("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Its sandbox does not start as root, and a container's /dev/shm is small; the pages are our own.
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=options)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Visit]]:
    """``visit(width=1280, scheme="light")``: a new page."""
    visits: list[Visit] = []

    def start(width: int = 1280, scheme: str = "light") -> Visit:
        visits.append(Visit(browser, width, scheme))
        return visits[-1]

    yield start
    for one in visits:
        one.context.close()
