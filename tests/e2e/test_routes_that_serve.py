"""make predict says which routes serve, and which do not and why; a server of which none does is stopped again."""

from __future__ import annotations

import json
import pickle

import pytest
from monorepo import Model, Monorepo, ask, free_port, interrupt, is_healthy
from waiting import until

pytestmark = pytest.mark.slow

NONE_SERVES = "none of its routes serves"
SAMPLE = b'{"payload": {"instances": [[1, 2], [3, 4]]}}'


def with_binary(model: Model) -> Model:
    model.binary.parent.mkdir(exist_ok=True)
    model.binary.write_bytes(pickle.dumps({"factor": 2}))
    return model


@pytest.mark.parametrize("attached", [[], pytest.param(["DETACH=1"], marks=pytest.mark.nightly)])
def test_a_server_that_serves_nothing_is_stopped(repo: Monorepo, model: Model, attached: list[str]) -> None:
    port = free_port()
    made = repo.make(model, "predict", f"PORT={port}", *attached, API_TOKEN="secret")
    made.failed(f"{model.container}-predict was stopped", NONE_SERVES)
    (printed,) = (line for line in made.err.splitlines() if "does not serve" in line)
    assert f"/{model.name}/predict does not serve: " in printed
    assert f"models/{model.name}.pkl: no such file: run make train" in printed
    assert "does not run" in repo.make(model, "stop").err
    repo.make(model, "train").succeeded()
    with repo.serving(model) as port:
        assert ask(port, f"{model.name}/predict", SAMPLE)[0] == 200


@pytest.mark.parametrize("attached", [[], ["DETACH=1"]])
def test_the_log_says_why_a_function_fails(repo: Monorepo, model: Model, attached: list[str]) -> None:
    with_binary(model)
    model.replace("predict.py", "factor * sum(row)", "int('no number')")
    made = repo.make(model, "predict", f"PORT={free_port()}", *attached)
    assert made.status != 0
    assert "invalid literal for int() with base 10: 'no number'" in made.out + made.err
    assert f"/{model.name}/predict does not serve: its sample" in made.err
    assert NONE_SERVES in made.err.splitlines()[-2]


def test_routes_are_printed_once_they_serve(repo: Monorepo, model: Model) -> None:
    with_binary(model)
    port = free_port()
    url = f"POST http://127.0.0.1:{port}/{model.name}/predict"
    process = repo.spawn(model, "predict", f"PORT={port}")
    until(lambda: is_healthy(port))
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if url in line:
            break
    assert not [line for line in lines if "does not serve" in line]
    assert ask(port, f"{model.name}/predict", SAMPLE)[0] == 200
    output = interrupt(process)
    assert "Traceback" not in output
    assert f"Stopped {model.container}-predict" in output


def test_some_serve(repo: Monorepo) -> None:
    fine, broken = with_binary(repo.add_model("fine", "some")), repo.add_model("broken", "some")
    folder, port = repo.add_all("some"), free_port()
    made = repo.make(folder, "predict-all", "DETACH=1", f"PORT={port}").succeeded()
    try:
        assert f"POST http://127.0.0.1:{port}/fine/predict" in made.err
        assert "warning: /broken/predict does not serve: " in made.err
        assert f"POST http://127.0.0.1:{port}/broken/predict" not in made.err
        assert ask(port, "fine/predict", SAMPLE)[0] == 200
        with_binary(broken)  # trained later, it is served, too
        for _ in range(1000):
            if ask(port, "broken/predict", SAMPLE)[0] == 200:
                break
        assert json.loads(ask(port, "broken/predict", SAMPLE)[1])["payload"]["predictions"] == [6, 14]
    finally:
        repo.make(folder, "stop").succeeded()
    for model in (fine, broken):
        model.binary.unlink()
    made = repo.make(folder, "predict-all", "DETACH=1", f"PORT={free_port()}")
    made.failed(f"{repo.container('some-all')} was stopped", NONE_SERVES)
    assert made.err.count("does not serve") == 2


def test_a_server_in_the_foreground_that_does_not_get_ready(repo: Monorepo, model: Model) -> None:
    with_binary(model)
    slow = "import glob, time\nif glob.glob('models/*.pkl'):\n    time.sleep(60)\nMODEL ="
    model.replace("predict.py", "MODEL =", slow)
    made = repo.make(model, "predict", "READY_TIMEOUT=2", "STOP_TIMEOUT=1", f"PORT={free_port()}")
    made.failed("not ready in 2 s", "READY_TIMEOUT")
