"""Every bad request gets the one error shape, a truthful status, and a line that says what to send."""

import gzip
import http.client
import json
import socket
import urllib.error
import urllib.request

import pytest
import requests

BAD_BODIES = {
    "empty": (b"", "empty"),
    "not JSON": (b"price=3", "not JSON"),
    "cut short": (b'{"payload": {"instances": [[1, 2]', "not JSON"),
    "not UTF-8": (b'{"payload": {"instances": [["\xff"]]}}', "not UTF-8 text: encode it as UTF-8"),
    "gzip that does not say so": (gzip.compress(b"{}"), "not UTF-8 text"),
    "UTF-16": ('{"payload": {"instances": [[1]]}}'.encode("utf-16"), "UTF-8"),
    "NaN": (b'{"payload": {"instances": [[NaN, 1]]}}', "finite"),
    "Infinity": (b'{"payload": {"instances": [[-Infinity, 1]]}}', "finite"),
    "too large a number": (b'{"payload": {"instances": [[1e999]]}}', "not JSON"),
    "a list": (b"[[1, 2]]", "not an object"),
    "null": (b"null", "not an object"),
    "no payload": (b'{"instances": [[1, 2]]}', "payload"),
    "payload is a list": (b'{"payload": [[1, 2]]}', "payload"),
    "no instances": (b'{"payload": {}}', "instances"),
    "instances is text": (b'{"payload": {"instances": "1, 2"}}', "not a list"),
    "instances is an object": (b'{"payload": {"instances": {"0": [1]}}}', "not a list"),
    "empty instances": (b'{"payload": {"instances": []}}', "empty"),
    "an empty row": (b'{"payload": {"instances": [[]]}}', "empty"),
    "ragged rows": (b'{"payload": {"instances": [[1, 2], [3, 4], [5]]}}', "instances[2] has 1"),
    "rows and values": (b'{"payload": {"instances": [[1, 2], 3]}}', "instances[1]"),
    "nested too deeply": (b'{"payload": {"instances": ' + b"[" * 5000 + b"]" * 5000 + b"}}", "not JSON"),
}


def error_of(response: requests.Response) -> str:
    answer = response.json()
    assert set(answer) == {"payload"}
    assert answer["payload"]["success"] is False
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Request-Id"]
    return answer["payload"]["error"]


@pytest.mark.parametrize("case", BAD_BODIES)
def test_a_bad_body_is_a_400_that_says_why(daemon, case):
    body, reason = BAD_BODIES[case]
    response = daemon.post("sum", data=body, json=None)
    assert response.status_code == 400
    error = error_of(response)
    assert reason in error
    assert "\n" not in error


def test_an_unknown_route_is_a_404_that_names_the_known_ones(daemon):
    response = daemon.post("nowhere")
    assert response.status_code == 404
    assert "POST /sum" in error_of(response)


def test_get_on_a_post_route_is_a_405_with_allow(daemon):
    response = requests.get(f"{daemon.url}/sum", timeout=10)
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
    assert "POST" in error_of(response)


def test_put_on_health_is_a_405(daemon):
    response = requests.put(f"{daemon.url}/health", timeout=10)
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_head_and_options_are_answered_without_a_body(daemon):
    head = requests.head(f"{daemon.url}/health", timeout=10)
    assert (head.status_code, head.content) == (200, b"")
    assert requests.head(f"{daemon.url}/sum", timeout=10).status_code == 405
    options = requests.options(f"{daemon.url}/sum", timeout=10)
    assert (options.status_code, "POST" in options.headers["Allow"]) == (200, True)


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_50_mb_body_is_a_413(daemon, chunked):
    block = b" " * 1_000_000
    body = (block for _ in range(50)) if chunked else block * 50
    response = daemon.post("sum", data=body, json=None)
    assert response.status_code == 413
    assert "16 MiB" in error_of(response)
    assert daemon.post("sum").status_code == 200


@pytest.mark.parametrize("megabytes", [18, 50])
def test_a_client_that_sends_all_before_it_reads_gets_its_413(daemon, megabytes):
    request = urllib.request.Request(f"{daemon.url}/sum", b" " * (megabytes * 1_000_000), method="POST")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=20)
    assert caught.value.code == 413
    assert "16 MiB" in json.load(caught.value)["payload"]["error"]


def test_a_body_just_below_the_limit_is_read_whole(daemon):
    body = b'{"payload": {"instances": [[1, 2]]}}'
    padded = body + b" " * ((16 << 20) - len(body))
    assert daemon.post("sum", data=padded, json=None).status_code == 200
    assert daemon.post("sum", data=padded + b" ", json=None).status_code == 413


def test_an_exception_is_a_500_whose_text_is_only_in_the_log(daemon):
    response = daemon.post("crash", headers={"X-Request-Id": "crash-1"})
    assert response.status_code == 500
    error = error_of(response)
    assert "ValueError" in error
    assert "crash-1" in error
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    log = daemon.wait_for(r"(?s)request crash-1: POST /crash failed.*?ValueError: a secret in the text")
    assert "predict.py" in log


@pytest.mark.slow
@pytest.mark.parametrize("route", ["quit", "generator"])
def test_what_would_end_a_process_ends_no_worker(start, route):
    daemon = start("basic", WORKERS="1")
    before = daemon.post("pid").json()
    assert daemon.post(route).status_code == 500
    assert daemon.post("pid").json() == before


def test_a_sample_that_would_end_a_process_ends_no_worker(start, tmp_path):
    (tmp_path / ".s2i").mkdir()
    (tmp_path / ".s2i/environment").write_text("ROUTES=a:a.predict:predict\n")
    (tmp_path / "a/test").mkdir(parents=True)
    (tmp_path / "a/predict.py").write_text("def predict(msg):\n    raise GeneratorExit\n")
    (tmp_path / "a/test/test_instances.json").write_text('{"payload": {"instances": [[1]]}}')
    daemon = start(tmp_path, WORKERS="1")
    assert requests.get(f"{daemon.url}/health", timeout=10).status_code == 200
    assert "route /a is not ready: its sample" in daemon.text()


def test_a_result_that_is_no_dict_is_one_line(daemon):
    response = daemon.post("listed", headers={"X-Request-Id": "listed-1"})
    assert response.status_code == 500
    assert error_of(response) == "listed returned a list, not a dict"
    line = daemon.wait_for(r"request listed-1: .*\n(.*\n)?")
    assert line.splitlines()[0].endswith("listed returned a list, not a dict")
    assert "Traceback" not in line


@pytest.mark.parametrize("route", ["named", "named_early"])
def test_a_merged_image_says_how_to_name_the_model(daemon, route):
    response = daemon.post(route)
    assert response.status_code == 503
    assert "MODEL_NAME" in error_of(response)
    assert "use trainyard.models.binaries.served_model_name(default)" in error_of(response)


def test_a_bad_request_from_the_function_is_a_400_with_its_text(daemon):
    response = daemon.post("refuse")
    assert response.status_code == 400
    assert error_of(response) == "instances[0][1] is text where price belongs: send a number"


def test_a_result_that_is_not_json_is_a_500_that_says_so_in_the_log(daemon):
    response = daemon.post("odd", headers={"X-Request-Id": "odd-1"})
    assert response.status_code == 500
    error_of(response)
    daemon.wait_for(r"(?s)request odd-1.*NotJson: shop\.prices\.predict\.odd returned what JSON cannot say")


def test_a_module_that_is_not_there_answers_503_while_others_serve(daemon):
    response = daemon.post("gone")
    assert response.status_code == 503
    error = error_of(response)
    assert ".s2i/environment:1" in error
    assert "shop.prices.gone" in error


def reply_to(daemon, sent: bytes) -> tuple[int, dict]:
    """The status and body of the answer to bytes that no client library would send."""
    host, port = daemon.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(sent)
        reply = http.client.HTTPResponse(client)
        reply.begin()
        return reply.status, json.load(reply)


def test_a_bad_chunk_is_a_400(daemon):
    head = b"POST /sum HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert reply_to(daemon, head + b"zz\r\nhello\r\n0\r\n\r\n")[0] == 400


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"good morning\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
    ],
    ids=["long line", "long header", "no HTTP", "no header"],
)
def test_what_is_no_http_gets_the_same_shape(daemon, sent, status):
    got, answer = reply_to(daemon, sent)
    assert got == status
    assert set(answer) == {"payload"}
    assert answer["payload"]["success"] is False
    assert answer["payload"]["error"].startswith("not a good HTTP request: ")


@pytest.mark.parametrize(("given", "kept"), [("abc-123", True), ("a b", False), ("x" * 500, False)])
def test_a_sane_request_id_is_kept_and_another_replaced(daemon, given, kept):
    answered = daemon.post("sum", headers={"X-Request-Id": given}).headers["X-Request-Id"]
    assert (answered == given) is kept
    assert answered
