"""The pages, in a real browser and through HTTP."""

import html
import json
import re
import subprocess

import people
import pytest
import requests

from trainyard.host.build.builder_files import library_context

pytestmark = pytest.mark.slow

PAGES = people.ROOT / "trainyard/image/serve/pages"
HOSTILE = "</textarea></script><img src=x onerror=alert(1)>'\"{{ 7 * 7 }}"
HOSTILE_RECORD = {
    "metrics": {HOSTILE: 0.25, "accuracy": HOSTILE},
    "dataset": HOSTILE,
    "finished": HOSTILE,
    "sample": {"instances": [[30, HOSTILE, 40]], "predictions": [HOSTILE]},
    "schema": {
        "columns": [
            {"name": "age", "type": "number", "minimum": 20, "maximum": 60, "integer": True},
            {"name": HOSTILE, "type": "category", "categories": [HOSTILE]},
            {"name": "hours", "type": "number"},
        ]
    },
}


@pytest.fixture(scope="module")
def daemon(start, tmp_path_factory):
    return people.served(start, tmp_path_factory.mktemp("people") / "action")


@pytest.fixture(scope="module")
def hostile(start, tmp_path_factory):
    return people.served(start, tmp_path_factory.mktemp("hostile") / "action", **HOSTILE_RECORD)


def test_the_front_page_tells_what_is_served_without_a_script(daemon):
    response = requests.get(daemon.url, timeout=10)
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    text = response.text
    version = json.loads((daemon.folder / "models/people.json").read_text())["sha256"][:12]
    for part in (
        "/people/encoded",
        "/free",
        version,
        "accuracy",
        "0.9125",
        "the test part",
        "data/people.csv",
        "2026-11-20 10:00",
    ):
        assert part in text, part
    assert "20 to 60 in training, whole numbers" in text


def test_a_route_is_tried_with_its_sample(daemon, visit):
    here = visit()
    here.page.goto(daemon.url)
    card = here.page.locator("section", has_text="/people/encoded")
    body = card.get_by_label("Request", exact=True)
    assert json.loads(body.input_value()) == {"payload": {"instances": people.SAMPLE}}
    card.get_by_role("button", name="Predict").click()
    answer = card.locator("output")
    answer.wait_for()
    assert json.loads(answer.inner_text()) == daemon.post("people/encoded", people.SAMPLE).json()
    status = card.locator(".status").inner_text()
    assert status.startswith("200 OK in ")
    assert 0 < float(status.split()[-2]) < 10_000

    body.fill('{"payload": {"instances": [[30, "clerk"]]}}')
    body.press("Control+Enter")
    card.locator(".status", has_text="400").wait_for()
    assert "instances[0] has 2 value(s)" in answer.inner_text()
    card.get_by_role("button", name="Sample again").click()
    assert json.loads(body.input_value()) == {"payload": {"instances": people.SAMPLE}}
    assert [complaint for complaint in here.complaints if "400" not in complaint] == []
    assert here.hosts == {daemon.url}


@pytest.mark.parametrize("path", ["/", "/docs"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (320, "dark")])
def test_nothing_that_a_record_says_breaks_a_page(hostile, visit, path, width, scheme):
    here = visit(width, scheme)
    here.page.goto(f"{hostile.url}{path}")
    here.page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    assert here.page.locator("img").count() == 1  # our own
    assert HOSTILE in here.page.locator("main").inner_text()
    text = here.page.locator("main").inner_text().replace(hostile.url, "")  # a port may be 34491
    assert "49" not in text, "{{ 7 * 7 }} was computed"
    assert here.page.evaluate("document.documentElement.scrollWidth") <= width
    if path == "/":
        card = here.page.locator("section", has_text="/people/plain")
        assert json.loads(card.locator("textarea").input_value())["payload"]["instances"][0][1] == HOSTILE
        card.get_by_role("button", name="Predict").click()
        card.locator("output").wait_for()
        assert HOSTILE in json.loads(card.locator("output").inner_text())["payload"]["predictions"][0]
        assert here.page.locator("img").count() == 1
    assert here.complaints == []


CONTRAST = """() => {
  const channel = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = (rgb) => 0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
  const colour = (text) => text.match(/[\\d.]+/g).map(Number);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const found = colour(getComputedStyle(element).backgroundColor);
      if (found.length === 3 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!text || !element.getClientRects().length) continue;
    const [one, other] = [colour(getComputedStyle(element).color), ground(element)].map(luminance);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) faint.push(`${element.outerHTML.slice(0, 80)}: ${ratio.toFixed(2)}`);
  }
  return faint;
}"""


def test_the_curl_line_of_the_page_is_answered_and_scores_have_names(daemon, visit):
    here = visit()
    here.page.goto(daemon.url)
    card = here.page.locator("section", has_text="/people/named")
    card.get_by_label("Request", exact=True).fill('{"payload": {"instances": [[30, "it\'s", 40]]}}')
    line = card.locator(".curl pre").inner_text()
    answer = json.loads(subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout)
    assert answer["payload"]["labels"] == ["no", "yes"]
    card.get_by_role("button", name="Copy").click()
    card.get_by_role("button", name="Copied").wait_for()
    card.get_by_role("button", name="Predict").click()
    table = card.locator(".named table")
    table.wait_for()
    assert table.inner_text().split() == ["Row", "Prediction", "no", "yes", "1", "yes", "0.25", "0.7512"]
    assert here.complaints == []


def test_the_curl_line_is_there_without_a_script(daemon):
    text = html.unescape(requests.get(daemon.url, timeout=10).text)
    (line,) = re.findall(r">(curl -s \S+/people/plain -d .*)</pre>", text)
    assert json.loads(subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True).stdout) == (
        daemon.post("people/plain", people.SAMPLE).json()
    )


def test_a_row_is_filled_in_field_by_field(daemon, visit):
    here = visit()
    here.page.goto(daemon.url)
    card = here.page.locator("section", has_text="/people/encoded")
    card.locator("summary").click()
    age, job = card.get_by_label("age number, 20 to 60"), card.get_by_label("job category")
    assert (age.input_value(), job.input_value()) == ("30", "clerk")
    age.fill("41")
    job.fill("cook, head")
    body = json.loads(card.get_by_label("Request", exact=True).input_value())
    assert body == {"payload": {"instances": [[41, "cook, head", 40]]}}
    card.get_by_role("button", name="Predict").click()
    answer = card.locator("output")
    answer.wait_for()
    assert "predictions" in answer.inner_text()
    age.fill("")
    assert json.loads(card.get_by_label("Request", exact=True).input_value())["payload"]["instances"][0][0] is None
    card.get_by_role("button", name="Sample again").click()
    assert age.input_value() == "30"


@pytest.mark.parametrize("path", ["/", "/docs"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_read_and_used_by_everybody(daemon, visit, path, scheme):
    here = visit(scheme=scheme)
    here.page.goto(f"{daemon.url}{path}")
    here.page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    assert here.page.evaluate(CONTRAST) == []  # WCAG 2.2, 1.4.3
    assert here.page.locator("html").get_attribute("lang") == "en"
    assert here.page.locator("h1").count() == 1
    nameless = "all => all.filter(one => !one.labels.length).map(one => one.outerHTML)"
    assert here.page.locator("textarea, input").evaluate_all(nameless) == []
    ids = here.page.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert len(ids) == len(set(ids))
    here.page.keyboard.press("Tab")
    assert here.page.evaluate("document.activeElement.textContent") == "Skip to the content"


def test_the_api_page_shows_every_operation(daemon, visit):
    here = visit()
    here.page.goto(f"{daemon.url}/docs/")
    document = requests.get(f"{daemon.url}/openapi.json", timeout=10).json()
    shown = here.page.locator("section h2").all_inner_texts()
    expected = [f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item]
    assert shown == expected
    here.page.get_by_role("link", name="Routes").click()
    assert here.page.locator("h1").inner_text() == "5 routes"
    assert here.complaints == []


def test_pages_run_nothing_but_their_own_files(daemon):
    for path in ("/", "/docs", "/docs/"):
        response = requests.get(f"{daemon.url}{path}", timeout=10)
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert "http://" not in response.text.replace(daemon.url, "")
        assert "https://" not in response.text
    for name in ("style.css", "index.js", "icon.svg"):
        response = requests.get(f"{daemon.url}/docs/{name}", timeout=10)
        assert response.status_code == 200
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert requests.get(f"{daemon.url}/docs/views.py", timeout=10).status_code == 404


def test_a_route_that_cannot_be_loaded_says_so(daemon):
    text = requests.get(daemon.url, timeout=10).text
    assert "module &#39;people.gone&#39; cannot be imported" in text


def test_every_file_of_the_pages_gets_into_images():
    files = {path.name for path in PAGES.iterdir() if path.is_file()}
    assert {"index.html", "docs.html", "style.css", "index.js"} <= files
    in_images = {file.path.name for file in library_context().files if "pages" in file.path.parts}
    assert files == in_images
