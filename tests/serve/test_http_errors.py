"""Every bad request gets the one error shape, a truthful status, and a line that says what to send."""

import http.client
import socket

import pytest
import requests

BAD_BODIES = {
    "empty": (b"", "empty"),
    "not JSON": (b"price=3", "not JSON"),
    "cut short": (b'{"payload": {"instances": [[1, 2]', "not JSON"),
    "not UTF-8": (b'{"payload": {"instances": [["\xff"]]}}', "UTF-8"),
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


def test_sys_exit_in_a_function_ends_no_worker(start):
    daemon = start("basic", WORKERS="1")
    before = daemon.post("pid").json()
    assert daemon.post("quit").status_code == 500
    assert daemon.post("pid").json() == before


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


def test_a_bad_chunk_is_a_400(daemon):
    host, port = daemon.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(b"POST /sum HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n")
        reply = http.client.HTTPResponse(client)
        reply.begin()
        assert reply.status == 400


@pytest.mark.parametrize(("given", "kept"), [("abc-123", True), ("a b", False), ("x" * 500, False)])
def test_a_sane_request_id_is_kept_and_another_replaced(daemon, given, kept):
    answered = daemon.post("sum", headers={"X-Request-Id": given}).headers["X-Request-Id"]
    assert (answered == given) is kept
    assert answered
