"""What a good request gets."""

import json
import subprocess

import pytest
import requests
from waiting import until


def test_rows_are_answered_in_order(daemon):
    response = daemon.post("sum", [[1, 2], [3, 4], [5, 6.5]])
    assert response.status_code == 200
    assert response.json()["payload"]["predictions"] == [3, 7, 11.5]


@pytest.mark.parametrize("flat", [[1, 2], [25, "a"], [None, 3], [None]])
def test_one_flat_instance_becomes_one_row(daemon, flat):
    """The sample shows that a row has two values."""
    assert daemon.post("echo", flat).json() == {"payload": {"predictions": [flat]}}


@pytest.mark.parametrize("bare", [[1, 2, 3], ["text a", "text b"], ["a", "b", "c"]])
def test_a_list_that_may_be_one_row_or_many_is_refused(daemon, bare):
    answer = daemon.post("echo", bare)
    assert answer.status_code == 400
    assert answer.json()["payload"]["error"].endswith(
        "send [[a, b, ...]] for one row, [[a], [b], ...] for rows of one value"
    )


def test_rows_may_be_objects(daemon):
    rows = [{"price": 1}, {"price": 2}]
    assert daemon.post("echo", rows).json()["payload"]["predictions"] == rows


def test_any_content_type_is_read_as_json(daemon):
    body = json.dumps({"payload": {"instances": [[1, 2]]}})
    done = subprocess.run(
        ["curl", "-sS", "-d", body, f"{daemon.url}/sum"], capture_output=True, text=True, check=True, timeout=20
    )
    assert json.loads(done.stdout)["payload"]["predictions"] == [3]


def test_a_trailing_slash_is_no_redirect(daemon):
    response = requests.post(
        f"{daemon.url}/sum/", json={"payload": {"instances": [[1, 2]]}}, allow_redirects=False, timeout=10
    )
    assert response.status_code == 200
    for path in ("//sum", "/sum//", "//sum/"):
        assert not requests.post(f"{daemon.url}{path}", allow_redirects=False, timeout=10).is_redirect


def test_numpy_values_are_json_and_nan_is_null(daemon):
    assert daemon.post("numbers").json()["payload"] == {
        "scalar": 0.5,
        "flag": True,
        "array": [[2, 3], [0, 1]],
        "text": ["a", "b"],
        "objects": [1, "a"],
        "nan": None,
        "1": "key",
    }


def test_a_message_that_the_function_wrapped_is_not_wrapped_twice(daemon):
    assert daemon.post("wrapped").json()["payload"] == {"predictions": [1]}


def test_both_workers_answer(daemon):
    def ask(session):
        return session.post(f"{daemon.url}/pid", json={"payload": {"instances": [[1]]}}, timeout=10).json()

    pids = set()

    def both():
        pids.update(ask(requests)["payload"]["predictions"][0] for _ in range(5))
        return len(pids) == 2

    until(both, 15)


def test_the_sample_was_predicted_before_the_first_request(start):
    daemon = start("basic", WORKERS="1")
    assert daemon.post("sum").json()["payload"]["calls"] > 1
    assert "route /sum is warm" in daemon.text()
    assert len([line for line in daemon.text().splitlines() if "route /crash is not ready" in line]) == 1


def test_health_is_small_and_quick(daemon):
    response = requests.get(f"{daemon.url}/health", timeout=10)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.slow
def test_a_missing_binary_is_a_503_until_it_appears(start):
    daemon = start("basic", WORKERS="1")
    for route, binary in (("file", "price"), ("late", "late")):
        missing = daemon.post(route)
        assert missing.status_code == 503
        assert f"models/{binary}.pkl" in missing.json()["payload"]["error"]
        assert daemon.post("sum").status_code == 200
        (daemon.folder / f"models/{binary}.pkl").write_text("trained")
    assert daemon.post("file").json()["payload"]["predictions"] == ["trained"]
    until(lambda: daemon.post("late").status_code == 200, 10)
    answer = daemon.post("late")
    assert answer.json()["payload"]["predictions"] == ["trained"]


def test_a_historical_module_imports_cortex_and_reads_the_old_spelling(start):
    daemon = start("historical", WORKERS="1", MODElNAME="price_rf")
    answer = daemon.post("price/predict", [[1, 2]])
    assert answer.json() == {"payload": {"predictions": ["price_rf: 3"]}}


def test_one_spelling_of_the_model_name_sets_both(start):
    daemon = start("historical", WORKERS="1", MODEL_NAME="price_lr")
    assert daemon.post("price/predict", [[4]]).json()["payload"]["predictions"] == ["price_lr: 4"]


@pytest.mark.slow
def test_a_merged_image_ignores_the_model_name_and_says_so(start):
    daemon = start("basic", WORKERS="1", MODEL_NAME="price", MODElNAME="price")
    values = daemon.post("environ").json()["payload"]
    assert values["predictions"][:2] == [None, None]
    daemon.wait_for("MODEL_NAME and MODElNAME ignored: this image serves several models")


@pytest.mark.slow
def test_numerical_threads_are_shared_and_new_files_are_group_writable(start):
    daemon = start("basic", WORKERS="4")
    values = daemon.post("environ").json()["payload"]
    assert values["predictions"][2] == "1"
    assert values["umask"] == 0o002
    mine = start("basic", WORKERS="1", OMP_NUM_THREADS="7")
    assert mine.post("environ").json()["payload"]["predictions"][2] == "7"
