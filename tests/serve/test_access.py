"""Tokens and origins, as a client and as a browser meet them."""

import socket
from pathlib import Path

import pytest
import requests
import town

from trainyard.errors import TrainyardError
from trainyard.image.serve.http.access import check_access
from trainyard.settings.image import ImageSettings

TOKEN = "s3cret-Tok3n.of~mine"
ROWS = {"instances": [[120, "Köln"]]}
INPUTS = [
    {"name": "size", "datatype": "INT64", "shape": [1], "data": [120]},
    {"name": "city", "datatype": "BYTES", "shape": [1], "data": ["Köln"]},
]
ASKED = [  # method, path, body, whether errors are {"error": ...}
    ("POST", "/value", {"payload": ROWS}, False),
    ("POST", "/v2/models/value/infer", {"inputs": INPUTS}, True),
    ("POST", "/invocations", ROWS, True),
    ("POST", "/vertex:predict", ROWS, True),
    ("GET", "/v2/models/value", None, True),
    ("GET", "/v2/models", None, True),
    ("POST", "/v2/repository/index", None, True),
    ("GET", "/nowhere", None, False),
]
OPEN = ["/health", "/ping", "/v2/health/live", "/v2/health/ready", "/vertex"]


def bearer(token=TOKEN):
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def guarded(start, tmp_path_factory):
    folder = town.build(tmp_path_factory.mktemp("town") / "action", "value:town.houses.predict:predict_value")
    paths = {"AIP_PREDICT_ROUTE": "/vertex:predict", "AIP_HEALTH_ROUTE": "/vertex"}
    return start(
        folder, WORKERS="1", LOG_LEVEL="debug", API_TOKEN=TOKEN, CORS_ORIGINS="https://a.example, http://b:81", **paths
    )


@pytest.mark.parametrize(("method", "path", "body", "plain"), ASKED)
def test_all_but_health_needs_the_token(guarded, method, path, body, plain):
    def ask(**headers):
        return requests.request(method, guarded.url + path, json=body, headers=headers, timeout=10)

    for headers in ({}, bearer("wrong"), bearer(""), {"Authorization": f"Basic {TOKEN}"}, bearer(TOKEN + "x")):
        refused = ask(**headers)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
        assert refused.headers["X-Request-Id"]
        assert set(refused.json()) == ({"error"} if plain else {"payload"})
        assert TOKEN not in refused.text
    assert ask(**bearer()).status_code == (404 if path == "/nowhere" else 200)
    assert ask(Authorization=f"bearer  {TOKEN}").status_code == (404 if path == "/nowhere" else 200)


@pytest.mark.parametrize("path", OPEN)
def test_health_is_open_to_look_at_and_to_nothing_else(guarded, path):
    assert requests.get(guarded.url + path, timeout=10).status_code == 200
    assert requests.get(guarded.url + path + "/", timeout=10).status_code in (200, 404)
    assert requests.head(guarded.url + path, timeout=10).status_code == 200
    assert requests.post(guarded.url + path, timeout=10).status_code == 401


def test_other_spellings_of_a_path_are_not_open(guarded):
    host, port = guarded.url.removeprefix("http://").split(":")
    for path in (
        "/health/../v2/models",
        "//v2/models",
        "/v2/models?/health",
        "/%76alue",
        "/v2/health/live/../../models",
    ):
        with socket.create_connection((host, int(port)), timeout=10) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 401 "), path


def test_the_token_is_shown_nowhere(guarded):
    requests.get(guarded.url + "/v2/models", headers=bearer(), timeout=10)
    assert TOKEN not in guarded.text()
    children = Path(f"/proc/{guarded.process.pid}/task/{guarded.process.pid}/children").read_text().split()
    assert children
    for pid in [str(guarded.process.pid), *children]:
        assert TOKEN.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


def test_a_function_does_not_see_the_token(start, tmp_path):
    folder = town.build(tmp_path / "action", "environ:town.sums.predict:environ")
    server = start(folder, WORKERS="1", API_TOKEN=TOKEN)
    answer = server.post("environ", headers=bearer())
    assert answer.status_code == 200
    assert answer.json()["payload"]["predictions"]
    assert "API_TOKEN" not in answer.text


def test_a_file_of_tokens_is_read_again_when_it_changes(start, tmp_path):
    folder = town.build(tmp_path / "action", "value:town.houses.predict:predict_value")
    file = tmp_path / "tokens"
    file.write_text("first\n")
    server = start(folder, WORKERS="1", API_TOKEN_FILE=str(file))

    def status(token):
        return server.post("value", [[120, "Köln"]], headers=bearer(token)).status_code

    assert (status("first"), status("second")) == (200, 401)
    (tmp_path / "new").write_text("second\nfirst\n")  # both, while clients change over
    (tmp_path / "new").replace(file)
    assert (status("first"), status("second")) == (200, 200)
    file.write_text("second")
    assert (status("first"), status("second")) == (401, 200)
    file.unlink()
    assert (status("first"), status("second"), status("")) == (401, 200, 401)
    server.wait_for("the tokens from before stay: API_TOKEN_FILE")
    file.write_text("")
    assert (status("second"), status("")) == (200, 401)


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"API_TOKEN": "a", "API_TOKEN_FILE": "b"}, "API_TOKEN and API_TOKEN_FILE are both set"),
        ({"API_TOKEN": f"{TOKEN} x"}, "API_TOKEN: has characters that a header cannot carry"),
        ({"API_TOKEN": f"{TOKEN}ß"}, "API_TOKEN: has characters that a header cannot carry"),
        ({"API_TOKEN_FILE": "nowhere"}, "API_TOKEN_FILE=nowhere: cannot be read"),
        ({"API_TOKEN_FILE": "/dev/null"}, "API_TOKEN_FILE=/dev/null: there is no token in it"),
        ({"CORS_ORIGINS": "a.example"}, "'a.example' is no origin: write, for example, https://example.org"),
        ({"CORS_ORIGINS": "*, https://a"}, "'*' is no origin"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_without_showing_a_token(environ, reason):
    settings = ImageSettings.read(environ)
    assert TOKEN not in repr(settings)
    with pytest.raises(TrainyardError) as caught:
        check_access(settings)
    assert reason in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_such_settings_stop_the_start_in_one_line(refused, tmp_path):
    status, output = refused(town.build(tmp_path / "action"), API_TOKEN=f"{TOKEN} x")
    assert (status, output.count("\n"), "API_TOKEN: has characters" in output) == (2, 1, True)
    assert TOKEN not in output


# -- CORS ---------------------------------------------------------------------------------------------------------


def preflight(server, origin, path="/value"):
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return requests.options(server.url + path, headers=headers, timeout=10)


def test_a_browser_may_ask_from_an_allowed_origin(guarded):
    allowed = preflight(guarded, "https://a.example")
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://a.example"
    assert allowed.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
    assert "POST" in allowed.headers["Access-Control-Allow-Methods"]
    assert allowed.headers["Vary"] == "Origin"
    origin = {"Origin": "http://b:81"}
    answer = requests.post(f"{guarded.url}/value", json={"payload": ROWS}, headers=bearer() | origin, timeout=10)
    assert answer.headers["Access-Control-Allow-Origin"] == "http://b:81"
    refused = requests.post(f"{guarded.url}/value", json={"payload": ROWS}, headers=origin, timeout=10)
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, "http://b:81")
    large = requests.post(f"{guarded.url}/value", data=b" " * (17 << 20), headers=bearer() | origin, timeout=20)
    assert (large.status_code, large.headers["Access-Control-Allow-Origin"]) == (413, "http://b:81")


def test_and_from_no_other(guarded):
    for origin in ("https://b.example", "https://a.example.org", "http://a.example", "null"):
        assert "Access-Control-Allow-Origin" not in preflight(guarded, origin).headers
        answer = requests.get(f"{guarded.url}/health", headers={"Origin": origin}, timeout=10)
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Vary"] == "Origin"


def test_a_star_is_everybody_and_off_is_nobody(start, daemon, tmp_path):
    folder = town.build(tmp_path / "action", "value:town.houses.predict:predict_value")
    server = start(folder, WORKERS="1", CORS_ORIGINS="*")
    assert preflight(server, "https://any.example").headers["Access-Control-Allow-Origin"] == "*"
    answer = server.post("value", [[120, "Köln"]], headers={"Origin": "https://any.example"})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert not [name for name in preflight(daemon, "https://any.example", "/sum").headers if "Access-Control" in name]


def test_a_browser_may_give_the_token_as_a_password(start):
    daemon = start("basic", WORKERS="1", API_TOKEN="secret-1")
    refused = requests.get(f"{daemon.url}/", timeout=5)
    assert refused.status_code == 401
    assert 'Basic realm="trainyard"' in refused.headers["WWW-Authenticate"]
    assert requests.get(f"{daemon.url}/", auth=("anybody", "secret-1"), timeout=5).status_code == 200
    for auth in (("secret-1", "secret-2"), ("", ""), ("anybody", "secret-1:")):
        assert requests.get(f"{daemon.url}/", auth=auth, timeout=5).status_code == 401
    for header in ("Basic", "Basic ####", "Basic c2VjcmV0LTE=", "Digest secret-1"):
        assert requests.get(f"{daemon.url}/", headers={"Authorization": header}, timeout=5).status_code == 401
