"""The same image on SageMaker, Vertex AI, Knative and Cloud Run."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests
import town
from daemons import end
from monorepo import free_port
from waiting import until

from trainyard.settings.image import ImageSettings

pytestmark = pytest.mark.slow

ONE_ROUTE = "value:town.houses.predict:predict_value"
RUN = Path(__file__).parents[2] / "builders/daemon/s2i/bin/run"
DEAR = {
    "predictions": ["dear"],
    "scores": [[0.25, 0.75]],
    "labels": ["cheap", "dear"],
    "threshold": 0.5,
}
VERTEX = "/v1/endpoints/7/deployedModels/8"


@pytest.fixture(scope="module")
def one_route(start, tmp_path_factory):
    """As Vertex AI starts it; the other platforms ask for nothing that would be in its way."""
    folder = town.build(tmp_path_factory.mktemp("town") / "action", ONE_ROUTE)
    return start(folder, WORKERS="1", AIP_HEALTH_ROUTE=VERTEX, AIP_PREDICT_ROUTE=f"{VERTEX}:predict")


@pytest.fixture(scope="module")
def several_routes(start, tmp_path_factory):
    return start(town.build(tmp_path_factory.mktemp("town") / "action"), WORKERS="1")


@pytest.fixture
def run_script(tmp_path):
    """``run_script(*arguments, name="run", **environ)``: the image's run script as a process; returns it."""
    started = []

    def run(*arguments, name="run", folder=None, **environ):
        script = tmp_path / name
        shutil.copy(RUN, script)
        inherited = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "WORKERS": "1", "LOG_LEVEL": "info"}
        roots = {"APP_ROOT": str(folder), "VENV": sys.prefix}
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(
                [script, *arguments], env=inherited | roots | environ, stdout=log, stderr=log, start_new_session=True
            )
        started.append(process)
        return process, tmp_path / "log"

    yield run
    for process in started:
        end(process)


def said_in(log: Path, pattern: str) -> str:
    return until(lambda: re.search(pattern, log.read_text()), 20, log.read_text)[0]


# -- SageMaker ----------------------------------------------------------------------------------------------------


def test_ping_says_whether_every_route_can_answer(one_route, several_routes):
    assert requests.get(f"{one_route.url}/ping", timeout=10).status_code == 200
    unready = requests.get(f"{several_routes.url}/ping", timeout=10)
    assert (unready.status_code, unready.json()) == (503, {"ready": False})


def test_invocations_answer_bare_instances_and_our_own_message(one_route):
    url = f"{one_route.url}/invocations"
    assert requests.post(url, json={"instances": [[120, "Köln"]]}, timeout=10).json() == DEAR
    wrapped = {"payload": {"instances": [[120, "Köln"]]}}
    assert requests.post(url, json=wrapped, timeout=10).json() == {"payload": DEAR}


def test_a_list_of_values_is_as_many_instances_and_never_one_row(one_route):
    """Each of these protocols promises a prediction for each instance; a row of two values is not two rows of one."""
    for path in ("/invocations", f"{VERTEX}:predict"):
        answer = requests.post(f"{one_route.url}{path}", json={"instances": [120, "Köln"]}, timeout=10)
        assert (answer.status_code, "[[a, b, ...]] for one row" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/csv", "120,Köln\n80,Bonn\n"),
        ("text/csv; charset=utf-8", "city,size\nKöln,120\nBonn,80\n"),
        ("application/x-ndjson", '[120, "Köln"]\n[80, "Bonn"]\n'),
        ("application/json", '{"instances": [{"city": "Köln", "size": 120}, {"city": "Bonn", "size": 80}]}'),
    ],
)
def test_invocations_read_rows_by_their_content_type(one_route, content_type, body):
    url, headers = f"{one_route.url}/invocations", {"Content-Type": content_type}
    answer = requests.post(url, data=body.encode(), headers=headers, timeout=10).json()
    assert answer["predictions"] == ["dear", "cheap"]


def test_of_several_routes_a_request_names_one(several_routes):
    def ask(**headers):
        rows = {"instances": [[1, 2, 3]]}
        return requests.post(f"{several_routes.url}/invocations", json=rows, headers=headers, timeout=10)

    unnamed = ask()
    assert unnamed.status_code == 400
    assert "X-Amzn-SageMaker-Target-Model: houses/value, sums" in unnamed.json()["error"]
    unknown = ask(**{"X-Amzn-SageMaker-Target-Model": "nowhere"})
    assert (unknown.status_code, "houses/value, sums" in unknown.json()["error"]) == (404, True)
    for name, value in (("Target-Model", "/sums"), ("Custom-Attributes", "trace=1, route=sums")):
        answer = ask(**{f"X-Amzn-SageMaker-{name}": value})
        assert (answer.status_code, answer.json()) == (200, {"predictions": [6]})


@pytest.mark.parametrize(
    "body", [b"", b"[[1]]", b'{"instances": []}', b'{"rows": [[1]]}', b'{"instances": 1}', b"\xff"]
)
@pytest.mark.parametrize("path", ["/invocations", f"{VERTEX}:predict"])
def test_a_bad_body_is_a_400_in_one_line(one_route, path, body):
    response = requests.post(f"{one_route.url}{path}", data=body, timeout=10)
    assert (response.status_code, set(response.json())) == (400, {"error"})


@pytest.mark.parametrize("started_as", ["argument", "name"])
def test_docker_run_image_serve(run_script, tmp_path, started_as):
    folder = town.build(tmp_path / "action", ONE_ROUTE)
    delivered = tmp_path / "opt"
    (folder / "models").rename(delivered)  # SageMaker lays the model out; the image has an empty folder
    (folder / "models").mkdir()
    port = free_port()
    given = {"SAGEMAKER_BIND_TO_PORT": str(port), "SM_MODEL_DIR": str(delivered)}
    arguments, name = (("serve",), "run") if started_as == "argument" else ((), "serve")
    process, log = run_script(*arguments, name=name, folder=folder, **given)
    said_in(log, "Ready to answer")
    assert requests.get(f"http://127.0.0.1:{port}/ping", timeout=10).status_code == 200
    answer = requests.post(f"http://127.0.0.1:{port}/invocations", json={"instances": [[120, "Köln"]]}, timeout=10)
    assert answer.json() == DEAR
    process.send_signal(signal.SIGTERM)  # reaches the daemon: no shell is left in front of it
    assert process.wait(10) == 0


def test_as_serve_the_port_is_8080_unless_a_variable_says_another(run_script, tmp_path):
    folder = town.build(tmp_path / "action", ONE_ROUTE)
    _, log = run_script("serve", folder=folder, BIND="203.0.113.1")  # of nobody: it cannot listen, and says where
    assert "203.0.113.1 port 8080" in said_in(log, r"error: .*\n")
    assert not (folder / "models").is_symlink()


# -- Vertex AI ----------------------------------------------------------------------------------------------------


def test_vertex_ai_gets_one_prediction_for_each_instance(one_route):
    assert requests.get(f"{one_route.url}{VERTEX}", timeout=10).status_code == 200
    url = f"{one_route.url}{VERTEX}:predict"
    rows = {"instances": [[120, "Köln"], [80, "Bonn"]], "parameters": {}}
    assert requests.post(url, json=rows, timeout=10).json() == {"predictions": ["dear", "cheap"]}
    wrapped = {"payload": {"instances": [[120, "Köln"]]}}  # rawPredict hands on any body
    assert requests.post(url, json=wrapped, timeout=10).json() == {"payload": DEAR}


def test_vertex_ai_may_post_to_a_route_itself(start, tmp_path):
    folder = town.build(tmp_path / "action")
    server = start(folder, WORKERS="1", AIP_PREDICT_ROUTE="/sums", AIP_HEALTH_ROUTE="/healthy/")
    assert requests.get(f"{server.url}/healthy", timeout=10).status_code == 503
    rows = {"instances": [[1, 2, 3]]}
    assert requests.post(f"{server.url}/sums", json=rows, timeout=10).json() == {"predictions": [6]}
    assert server.post("sums", [[1, 2, 3]]).json() == {"payload": {"predictions": [6]}}
    parameters = requests.post(f"{server.url}/invocations", json=rows | {"parameters": {"a": 1}}, headers={
        "X-Amzn-SageMaker-Target-Model": "houses/ready"}, timeout=10)  # fmt: skip
    assert parameters.json()["asked"] == {"a": 1}


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/predict", "this image has 7 routes: upload it with one of them"), ("predict", "not a path: say, for example")],
)
def test_a_predict_route_that_leads_nowhere_stops_the_start(refused, tmp_path, path, reason):
    status, output = refused(town.build(tmp_path / "action"), AIP_PREDICT_ROUTE=path)
    assert (status, output.count("\n")) == (2, 1)
    assert f"AIP_PREDICT_ROUTE={path}: {reason}" in output


# -- Knative, Cloud Run, and which port wins ----------------------------------------------------------------------


def test_knative_and_cloud_run_say_the_port_and_sigterm_drains(run_script, tmp_path):
    folder = town.build(tmp_path / "action", "slow:town.sums.predict:slow")
    port = free_port()
    process, log = run_script(folder=folder, PORT=str(port), K_SERVICE="houses", AIP_HTTP_PORT="1")
    said_in(log, f"http://0.0.0.0:{port}")
    said_in(log, "Ready to answer")
    answers = []
    body = {"payload": {"instances": [[1]]}}
    asking = threading.Thread(
        target=lambda: answers.append(requests.post(f"http://127.0.0.1:{port}/slow", json=body, timeout=20))
    )
    asking.start()
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    asking.join(10)
    assert answers[0].json() == {"payload": {"predictions": [True]}}


@pytest.mark.parametrize(
    ("given", "port"),
    [
        ({}, 5000),
        ({"AIP_HTTP_PORT": "1"}, 1),
        ({"SAGEMAKER_BIND_TO_PORT": "2"}, 2),
        ({"SAGEMAKER_BIND_TO_PORT": "2", "AIP_HTTP_PORT": "1"}, 1),
        ({"SAGEMAKER_BIND_TO_PORT": "2", "AIP_HTTP_PORT": "1", "PORT": "3"}, 3),
    ],
)
def test_of_several_port_variables_ours_wins(given, port):
    assert ImageSettings.read(given).port == port
