"""ROOT_PATH: everything is below a path, for balancers that pass it on as it is."""

import json

import people
import pytest
import requests
from grouped_daemon import SAME
from wire import Wire, message, post

from trainyard.errors import TrainyardError
from trainyard.settings.image import root_path_of

pytestmark = pytest.mark.slow

TOKEN = "secret-1"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def rooted(start, tmp_path_factory):
    folder = people.write(tmp_path_factory.mktemp("people") / "action")
    return start(folder, WORKERS="1", PYTHONPATH=str(people.ROOT), ROOT_PATH="/a/ml/", ACCESS_LOG="1")


@pytest.fixture(scope="module")
def guarded(start):
    return start("basic", WORKERS="1", ROOT_PATH="/ml", API_TOKEN=TOKEN, CORS_ORIGINS="https://a.example")


@pytest.mark.parametrize("text", ["ml", "/ml?x", "/m l", "//ml", "/a//b", "/a/../b", "/.", "/ä", "http://x/ml", "/ml#"])
def test_what_is_no_path_is_refused(text):
    with pytest.raises(TrainyardError, match=r"^ROOT_PATH=.*: not a path of letters.*say, for example, ROOT_PATH=/ml$"):
        root_path_of(text)


@pytest.mark.parametrize(
    ("text", "path"), [("", ""), ("/", ""), ("/ml", "/ml"), ("/ml/", "/ml"), ("/a/b-c/v1.2_~", "/a/b-c/v1.2_~")]
)
def test_what_is_a_path(text, path):
    assert root_path_of(text) == path


def test_a_bad_one_ends_the_start_by_one_line(refused, tmp_path):
    status, output = refused(people.write(tmp_path / "action"), ROOT_PATH="ml")
    assert (status, output.count("\n")) == (2, 1)
    assert output.startswith("error: ROOT_PATH=ml: not a path")


@pytest.mark.parametrize(
    "path",
    ["", "/", "/docs", "/docs/", "/docs/index.js", "/openapi.json", "/readyz/free", "/metrics", "/health", "/livez",
     "/v2", "/v2/models/free/ready", "/v2/models/people%2Fplain", "/v2/health/live"],
)  # fmt: skip
def test_every_page_is_below_it_and_not_outside(rooted, path):
    assert requests.get(f"{rooted.url}/a/ml{path}", timeout=10).status_code == 200
    if path in ("/health", "/livez"):
        return
    outside = requests.get(rooted.url + path, timeout=10)
    assert outside.status_code == 404
    assert "/a/ml (ROOT_PATH)" in outside.text


@pytest.mark.parametrize("path", ["/health", "/livez", "/readyz", "/readyz/"])
def test_the_kubelet_asks_without_it(rooted, path):
    assert requests.get(rooted.url + path, timeout=10).status_code == (503 if "readyz" in path else 200)


def test_predictions_in_every_protocol(rooted):
    with Wire(f"{rooted.url}") as wire:
        rows = [[1, 2]]
        for _ in range(2):
            assert wire.ask(post("/a/ml/free", message(rows))).payload == {"predictions": rows}
            assert wire.ask(post("http://x/a/ml/free?q", message(rows))).payload == {"predictions": rows}
        named = "X-Amzn-SageMaker-Target-Model: free"
        assert wire.ask(post("/a/ml/invocations", b'{"instances": [[1]]}', named)).json() == {"predictions": [[1]]}
        inputs = [{"name": "x", "datatype": "INT64", "shape": [1, 1], "data": [1]}]
        tensors = json.dumps({"inputs": inputs}).encode()
        assert wire.ask(post("/a/ml/v2/models/free/infer", tensors)).json()["model_name"] == "free"
        for outside in ("/free", "/a/mlfree", "/a/ml2/free", "/a//ml/free", "/ml/free", "/a/free"):
            refused = wire.ask(post(outside, message(rows)))
            assert (refused.status, "/a/ml (ROOT_PATH)" in refused.payload["error"]) == (404, True)
        unknown = wire.ask(post("/a/ml/nothing", message(rows)))
        assert "POST /a/ml/free" in unknown.payload["error"]
        assert wire.ask(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
    rooted.wait_for(r'"POST /a/ml/free" 200')


def test_the_documents_say_it(rooted):
    document = requests.get(f"{rooted.url}/a/ml/openapi.json", timeout=10).json()
    from openapi_spec_validator import validate  # takes two seconds

    validate(document)
    assert document["servers"] == [{"url": "/a/ml"}]
    assert "/free" in document["paths"]
    assert "/a/ml/free" in requests.get(f"{rooted.url}/a/ml/docs", timeout=10).text
    rooted.wait_for(r"POST /a/ml/people/encoded, POST ")


@pytest.mark.parametrize(("page", "link"), [("", "ml/"), ("/", ""), ("/docs", ""), ("/docs/", "../")])
def test_links_lead_below_it(rooted, page, link):
    text = requests.get(f"{rooted.url}/a/ml{page}", timeout=10).text
    assert f'href="{link}docs/style.css"' in text
    if "docs" not in page:
        assert f'action="{link}free"' in text
        assert "<code>/a/ml/free</code>" in text


def test_tokens_and_origins(guarded):
    assert requests.get(f"{guarded.url}/readyz", timeout=10).status_code == 503  # a route of this case is not ready
    for path in ("/ml/health", "/ml/ping", "/ml/v2/health/live", "/health"):
        assert requests.get(guarded.url + path, timeout=10).status_code in (200, 503)
    assert requests.get(f"{guarded.url}/ml/metrics", timeout=10).status_code == 401
    assert guarded.post("ml/sum").status_code == 401
    assert guarded.post("sum", headers=BEARER).status_code == 404
    answered = guarded.post("ml/sum", headers=BEARER | {"Origin": "https://a.example"})
    assert (answered.status_code, answered.headers["Access-Control-Allow-Origin"]) == (200, "https://a.example")
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    assert requests.options(f"{guarded.url}/ml/sum", headers=asked, timeout=10).status_code == 200


def test_before_the_body(guarded):
    head = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{{"
    for path, status in (("/ml/sum", 401), ("/sum", 404)):
        with Wire(guarded.url) as wire:
            assert wire.ask(head.format(path).encode()).status == status


def test_groups_of_models(start):
    daemon = start("groups", WORKERS="2", ROOT_PATH="/ml", **SAME)
    with Wire(daemon.url) as wire:
        for _ in range(3):
            assert wire.ask(post("/ml/first/predict", message([[1]]))).payload["predictions"] == [1]
            assert wire.ask(post("http://x/ml/second/predict", message([[1]]))).payload["predictions"] == [10]
        assert wire.ask(post("/first/predict", message([[1]]))).status == 404
        ready = wire.ask(b"GET /ml/readyz HTTP/1.1\r\nHost: x\r\n\r\n").json()
        assert list(ready["routes"]) == ["first/predict", "second/predict", "first/slow"]
        assert wire.ask(b"GET /ml/v2/models/second%2Fpredict/ready HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
