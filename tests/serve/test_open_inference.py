"""The Open Inference Protocol, v2, as Triton's own client speaks it, and as curl does."""

import concurrent.futures
import json

import numpy as np
import pytest
import requests
import town
from hypothesis import given, settings
from hypothesis import strategies as st

HOUSES = "houses/value"


@pytest.fixture(scope="module")
def server(start, tmp_path_factory):
    return start(town.build(tmp_path_factory.mktemp("town") / "action"), WORKERS="1")


@pytest.fixture(scope="module")
def client(server):
    import tritonclient.http as triton  # takes a second

    with triton.InferenceServerClient(server.url.removeprefix("http://")) as client:
        yield client


def tensor(name, values, *, binary=True):
    import tritonclient.http as triton
    from tritonclient.utils import np_to_triton_dtype

    values = np.asarray(values)
    wire = "BYTES" if values.dtype.kind in "UO" else np_to_triton_dtype(values.dtype)
    found = triton.InferInput(name, list(values.shape), wire)
    found.set_data_from_numpy(values.astype(object) if wire == "BYTES" else values, binary_data=binary)
    return found


def infer(server, model, inputs, **more):
    return requests.post(f"{server.url}/v2/models/{model}/infer", json={"inputs": inputs, **more}, timeout=20)


def test_what_a_client_asks_before_it_predicts(client):
    assert client.is_server_live()
    assert not client.is_server_ready()  # one route's module is not there
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    assert client.is_model_ready(HOUSES)
    assert client.is_model_ready("houses")  # by the name of its model
    assert client.is_model_ready(HOUSES, town.version_of("houses"))
    assert not client.is_model_ready(HOUSES, "2")
    assert not client.is_model_ready("gone")
    index = {entry["name"]: entry for entry in client.get_model_repository_index()}
    assert index[HOUSES] == {
        "name": HOUSES, "version": town.version_of("houses"), "state": "READY", "reason": ""
    }  # fmt: skip
    assert index["gone"]["state"] == "UNAVAILABLE"
    assert "town.gone" in index["gone"]["reason"]


def test_the_metadata_names_the_columns_and_what_the_sample_was_answered_with(client):
    found = client.get_model_metadata(HOUSES)
    assert found == {
        "name": HOUSES,
        "versions": [town.version_of("houses")],
        "platform": "trainyard",
        "inputs": [
            {"name": "size", "datatype": "INT64", "shape": [-1]},
            {"name": "city", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": "predictions", "datatype": "BYTES", "shape": [-1]},
            {"name": "scores", "datatype": "FP64", "shape": [-1, 2]},
        ],
    }


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_a_tensor_for_each_column(client, binary_in, binary_out, shape):
    import tritonclient.http as triton

    inputs = [
        tensor("city", np.reshape(["Köln", "Bonn", "Köln"], shape), binary=binary_in),
        tensor("size", np.reshape(np.array([120, 130, 90], np.int32), shape), binary=binary_in),
    ]
    outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in ("scores", "predictions")]
    answer = client.infer(HOUSES, inputs, outputs=outputs, request_id="mine")
    assert answer.get_response()["id"] == "mine"
    assert answer.get_response()["model_version"] == town.version_of("houses")
    assert [entry["name"] for entry in answer.get_response()["outputs"]] == ["scores", "predictions"]
    texts = answer.as_numpy("predictions").tolist()
    assert [text.decode() if binary_out else text for text in texts] == ["dear", "cheap", "cheap"]
    assert answer.as_numpy("scores").tolist() == [[0.25, 0.75], [0.75, 0.25], [0.75, 0.25]]
    assert answer.get_response()["parameters"] == {"labels": ["cheap", "dear"], "threshold": 0.5}


@pytest.mark.slow
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
@pytest.mark.parametrize("rows", [3, 50_000])
def test_the_client_may_compress_what_it_sends(client, algorithm, binary, rows):
    inputs = [
        tensor("size", np.arange(rows, dtype=np.int32), binary=binary),
        tensor("city", ["Köln"] * rows, binary=binary),
    ]
    answer = client.infer(HOUSES, inputs, request_compression_algorithm=algorithm)
    assert answer.as_numpy("predictions").tolist() == [b"cheap"] * min(rows, 101) + [b"dear"] * max(0, rows - 101)


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "int64", "uint8", "int16"])
def test_one_tensor_of_all_columns_in_any_number_type(client, kind):
    rows = np.array([[1, 2, 3], [4, 5, 6]], kind)
    for model in ("sums", "houses/ready"):  # with and without a schema
        answer = client.infer(model, [tensor("x", rows)])
        assert answer.as_numpy("predictions").tolist() == [6, 15]


def test_a_version_that_is_not_served_is_a_404(client):
    from tritonclient.utils import InferenceServerException

    with pytest.raises(InferenceServerException, match="has no version '1': it has") as caught:
        client.infer("sums", [tensor("x", np.ones((1, 3)))], model_version="1")
    assert caught.value.status() == "404"
    assert client.infer("sums", [tensor("x", np.ones((1, 3)))], model_version=town.version_of("sums"))


def test_values_of_every_kind_find_a_datatype(server):
    answer = infer(server, "odd", [{"name": "x", "shape": [1], "datatype": "FP64", "data": [1]}]).json()
    assert answer["outputs"] == [
        {"name": "predictions", "datatype": "INT64", "shape": [2, 2], "data": [1, 2, 3, 4]},
        {"name": "scores", "datatype": "FP64", "shape": [3], "data": [None, None, 0.5]},
    ]
    assert answer["parameters"] == {"text": "of no row"}


def test_parameters_reach_the_function(server):
    rows = [{"name": "x", "shape": [1, 2], "datatype": "INT64", "data": [3, 4]}]
    given = {"binary_data_output": False, "rounded": True}
    answer = infer(server, "houses%2Fready", rows, parameters=given).json()
    assert answer["parameters"] == {"rows": [[3, 4]], "asked": {"rounded": True}}


def test_a_route_with_slashes_is_named_in_either_spelling(server):
    rows = [{"name": "x", "shape": [1, 1], "datatype": "INT64", "data": [3]}]
    for spelling in ("houses/ready", "houses%2Fready", "houses%2fready/versions/1"):
        assert infer(server, spelling, rows).status_code == (404 if "versions" in spelling else 200)
    readiness = requests.get(f"{server.url}/v2/models/houses/ready", timeout=10).json()
    assert readiness == {"name": "houses", "ready": True}
    metadata = requests.get(f"{server.url}/v2/models/houses%2Fready", timeout=10).json()
    assert metadata["inputs"] == [{"name": "instances", "datatype": "FP64", "shape": [-1, -1]}]


@pytest.mark.slow
def test_a_models_name_is_understood_where_one_route_answers_by_it(start, tmp_path):
    two = "a:town.houses.predict:predict_value,b:town.houses.predict:predict_value"
    server = start(town.build(tmp_path / "two", two), WORKERS="1")
    found = [requests.get(f"{server.url}/v2/models/{name}/ready", timeout=10).status_code for name in ("a", "houses")]
    assert found == [200, 404]
    missing = start(town.build(tmp_path / "one", "gone:town.gone.predict:predict"), WORKERS="1", MODEL_NAME="houses")
    readiness = requests.get(f"{missing.url}/v2/models/houses/ready", timeout=10)
    assert (readiness.status_code, readiness.json()["ready"]) == (503, False)
    assert "town.gone" in readiness.json()["error"]


def column(name, datatype, data, shape=None):
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}


BAD_INPUTS = {
    "no list": ({}, '"inputs" is not a list'),
    "no tensor": ([], '"inputs" is not a list'),
    "no name": ([{"shape": [1]}], "inputs[0] is not an object with a name"),
    "no datatype": ([{"name": "size"}], "'None' is not a datatype"),
    "unknown datatype": ([column("size", "FLOAT", [1])], "'FLOAT' is not a datatype: use one of BOOL"),
    "no shape": ([column("size", "INT64", [1], "1")], "input 'size': the shape is not a list"),
    "negative shape": ([column("size", "INT64", [1], [-1])], "the shape is [-1]"),
    "empty shape": ([column("size", "INT64", [], [10**15, 0])], "whole numbers, 1 or more"),
    "fractional shape": ([column("size", "INT64", [1], [1.0])], "whole numbers"),
    "shape and data": ([column("size", "INT64", [1, 2], [3])], "2 values where the shape [3] has 3"),
    "ragged": ([column("size", "INT64", [[1, 2], [3]], [2, 2])], "not nested as its shape"),
    "no data": ([{"name": "size", "datatype": "INT64", "shape": [1]}], '"data" is not a list'),
    "text as number": ([column("size", "INT64", ["1"])], "value 0 is not of datatype INT64"),
    "beyond": ([column("size", "INT8", [1, 128])], "a value is beyond INT8"),
    "unknown column": ([column("size", "INT64", [1]), column("town", "BYTES", ["B"])], "'town' is no column"),
    "missing column": ([column("size", "INT64", [1])], "no input for the columns city"),
    "one column twice": ([column("size", "INT64", [1])] * 2, "two inputs have one name"),
    "other rows": ([column("size", "INT64", [1]), column("city", "BYTES", ["B", "K"])], "the same rows"),
    "number for category": ([column("size", "INT64", [1]), column("city", "INT64", [1])], "send BYTES"),
    "text for number": ([column("size", "BYTES", ["1"]), column("city", "BYTES", ["B"])], "send FP64 or INT64"),
    "mixed matrix": ([column("x", "FP64", [1, 2], [1, 2])], "the column 'city' is a category"),
    "wide matrix": ([column("x", "FP64", [1, 2, 3], [1, 3])], "the model has 2 columns"),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_a_bad_input_is_a_400_that_names_it(server, case):
    inputs, reason = BAD_INPUTS[case]
    response = infer(server, HOUSES, inputs)
    assert response.status_code == 400
    assert set(response.json()) == {"error"}
    assert reason in response.json()["error"]
    assert "\n" not in response.json()["error"]


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"id": 7}, '"id" is not text'),
        ({"outputs": [{"name": "margin"}]}, "no output 'margin': it has predictions, scores"),
        ({"outputs": ["scores"]}, "outputs[0] is not an object with a name"),
        ({"parameters": []}, '"parameters" of the request is not an object'),
    ],
)
def test_what_is_asked_besides_is_checked_too(server, more, reason):
    response = infer(server, HOUSES, [column("size", "INT64", [1]), column("city", "BYTES", ["B"])], **more)
    assert (response.status_code, reason in response.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/nowhere", 404),
        ("POST", "/v2/models/nowhere/infer", 404),
        ("GET", "/v2/models/sums/infer", 405),
        ("POST", "/v2/models/sums/ready", 405),
        ("POST", "/v2/repository/models/sums/load", 404),
        ("POST", "/v2/models/gone/infer", 503),
    ],
)
def test_errors_have_the_protocols_shape_and_a_truthful_status(server, method, path, status):
    body = json.dumps({"inputs": [column("x", "INT64", [1])]})
    response = requests.request(method, f"{server.url}{path}", data=body, timeout=10)
    assert response.status_code == status
    assert set(response.json()) == {"error"}


def test_a_body_that_is_too_large_has_the_protocols_shape(server):
    response = requests.post(f"{server.url}/v2/models/sums/infer", data=b" " * (17 << 20), timeout=20)
    assert (response.status_code, set(response.json())) == (413, {"error"})


def test_more_values_than_a_request_may_hold_are_a_413(server):
    body = {"name": "x", "shape": [5_000_000, 1], "datatype": "INT8", "parameters": {"binary_data_size": 5_000_000}}
    head = json.dumps({"inputs": [body]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    url = f"{server.url}/v2/models/houses%2Fready/infer"
    response = requests.post(url, data=head + bytes(5_000_000), headers=headers, timeout=20)
    assert (response.status_code, "at most" in response.json()["error"]) == (413, True)


@settings(max_examples=150, deadline=None)
@given(
    length=st.none() | st.integers(-1, 300).map(str) | st.text("0123456789+-xe ,", max_size=20),
    size=st.integers(-1, 40) | st.sampled_from([2**31, 2**63, 1.5, "8", None]),
    rows=st.integers(-1, 3) | st.sampled_from([2**31, 2**64]),
    cut=st.integers(0, 30),
    datatype=st.sampled_from(["FP64", "BYTES", "INT8", "BOOL", "FP16"]),
)
def test_no_claim_of_a_client_is_a_500_or_keeps_it_waiting(server, length, size, rows, cut, datatype):
    entry = {"name": "x", "shape": [rows, 1], "datatype": datatype, "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [entry], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head)) if length is None else length.strip()}
    body = head + (b"\x04\0\0\0text" * 5)[cut:]
    response = requests.post(f"{server.url}/v2/models/echo/infer", data=body, headers=headers, timeout=5)
    assert response.status_code in (200, 400, 413)
    if response.status_code > 200:
        assert set(response.json()) == {"error"}


def test_requests_that_wait_share_a_call_whatever_they_speak(start, tmp_path):
    folder = town.build(
        tmp_path / "action", "houses:town.houses.predict:predict_value,largest:town.houses.predict:largest_call"
    )
    server = start(folder, WORKERS="1")
    rows = [column("size", "INT64", [120]), column("city", "BYTES", ["Köln"])]

    def ask(number):
        if number % 2:
            return infer(server, "houses", rows).json()["outputs"][0]["data"]
        return server.post("houses", [[120, "Köln"]]).json()["payload"]["predictions"]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for _ in range(20):
            assert list(pool.map(ask, range(64))) == [["dear"]] * 64
            if server.post("largest").json()["payload"]["predictions"][0] > 3:  # rows of the sample
                return
    raise AssertionError("no two requests shared a call")
