"""The OpenAPI document: valid, and true of the server that it comes from."""

import json

import people
import pytest
import requests

from trainyard.contract.routes import parse_routes
from trainyard.errors import TrainyardError


@pytest.fixture(scope="module")
def daemon(start, tmp_path_factory):
    return people.served(start, tmp_path_factory.mktemp("people") / "action")


@pytest.fixture(scope="module")
def document(daemon):
    response = requests.get(f"{daemon.url}/openapi.json", timeout=10)
    assert response.headers["Content-Type"] == "application/json"
    return response.json()


def operation(document, route):
    return document["paths"][f"/{route}"]["post"]


@pytest.mark.slow
def test_the_document_is_valid(document):
    from openapi_spec_validator import OpenAPIV31SpecValidator  # takes two seconds

    assert document["openapi"].startswith("3.1")
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_a_route_without_a_model_or_even_a_module_is_in_it(document):
    assert {"/free", "/gone", "/health"} <= set(document["paths"])
    assert "example" not in operation(document, "gone")["requestBody"]["content"]["application/json"]


def test_columns_ranges_and_categories_are_told_and_not_enforced(document):
    age, job, hours = document["components"]["schemas"]["predict_people_encoded.list"]["prefixItems"]
    assert (age["title"], age["type"], age["description"]) == ("age", "number", "20 to 60 in training, whole numbers")
    assert hours["description"] == "0.5 to 60 in training"
    assert job["examples"] == people.SCHEMA["columns"][1]["categories"]
    assert not {"minimum", "maximum", "enum"} & (set(age) | set(job) | set(hours))


def test_who_answers_is_told_with_the_version(document):
    assert [model["name"] for model in operation(document, "people/plain")["x-models"]] == ["people"]
    assert (
        operation(document, "people/plain")["x-models"][0]["version"] in operation(document, "people/plain")["summary"]
    )
    assert operation(document, "free")["x-models"] == []


@pytest.mark.parametrize("route", ["people/encoded", "people/plain", "free"])
def test_every_example_is_answered(daemon, document, route):
    answers = []
    for content_type, body in operation(document, route)["requestBody"]["content"].items():
        example = body["example"] if isinstance(body["example"], str) else json.dumps(body["example"])
        headers = {"Content-Type": content_type}
        answer = daemon.post(route, data=example.encode(), json=None, headers=headers)
        assert answer.status_code == 200, (content_type, answer.text)
        answers.append(answer.json())
    assert len(answers) == 3
    assert answers[0] == answers[1] == answers[2]


def test_every_path_that_is_read_answers_as_it_says(daemon, document):
    reads = {path: item["get"] for path, item in document["paths"].items() if "get" in item}
    assert {"/", "/docs", "/health", "/openapi.json", "/ping", "/v2", "/v2/models/{model}"} <= set(reads)
    for path, described in reads.items():
        response = requests.get(f"{daemon.url}{path.replace('{model}', 'free')}", timeout=10)
        assert str(response.status_code) in described["responses"], path
        assert response.headers["Content-Type"].split(";")[0] in described["responses"]["200"]["content"], path


def test_the_paths_of_other_protocols_are_in_it(document):
    posts = {path for path, item in document["paths"].items() if "post" in item}
    assert {"/invocations", "/v2/models/{model}/infer", "/v2/repository/index"} <= posts


def test_a_route_without_a_schema_promises_no_columns(daemon, document):
    assert "column" not in json.dumps(operation(document, "free"))
    ours = {path: item for path, item in document["paths"].items() if path in ("/free", "/people/encoded")}
    refused = {path: item["post"]["responses"]["400"]["$ref"].rpartition("/")[2] for path, item in ours.items()}
    described = {path: document["components"]["responses"][name]["description"] for path, name in refused.items()}
    assert "column" not in described["/free"]
    assert "names row and column" in described["/people/encoded"]


def test_errors_have_the_shape_that_is_documented(daemon, document):
    responses = operation(document, "people/plain")["responses"]
    assert {"200", "400", "413", "415", "500", "503"} <= set(responses)
    payload = daemon.post("people/plain", [[1]]).json()["payload"]
    described = document["components"]["schemas"]["error"]["properties"]["payload"]
    assert set(described["required"]) == set(payload) == {"success", "error"}


def test_routes_of_like_names_are_operations_of_different_names(start, tmp_path):
    folder = people.write(tmp_path / "action")
    (folder / ".s2i/environment").write_text(
        "ROUTES=a/b:people.predict:free,a_b:people.predict:free,a-b:people.predict:free"
    )
    daemon = start(folder, WORKERS="1", PYTHONPATH=str(people.ROOT))
    document = requests.get(f"{daemon.url}/openapi.json", timeout=10).json()
    names = {operation(document, route)["operationId"] for route in ("a/b", "a_b", "a-b")}
    assert len(names) == 3


@pytest.mark.parametrize("path", ["docs", "openapi.json"])
def test_the_pages_paths_are_no_routes(path):
    with pytest.raises(TrainyardError, match="belongs to the daemon"):
        parse_routes(f"{path}:m:f", "here")
