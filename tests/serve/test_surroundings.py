"""What one function changes for the whole process, another does not notice."""

import shutil
import time

import pytest
from daemons import CASES
from waiting import until

pytestmark = pytest.mark.slow

ROUNDS = 5  # the first calls of a function are made in a thread, later ones in the event loop


@pytest.fixture(scope="module", params=["shared", "not shared"])
def daemon(request, start, tmp_path_factory):
    folder = tmp_path_factory.mktemp("daemon") / "action"
    shutil.copytree(CASES / "careless", folder)
    (folder / "models").mkdir()
    (folder / "models/price.pkl").write_text("first")
    return start(folder, WORKERS="1", SHARE=str(int(request.param == "shared")))


def predictions(daemon, route):
    answer = daemon.post(route)
    assert answer.status_code == 200, answer.text
    return answer.json()["payload"]["predictions"]


@pytest.mark.parametrize("route", ["reads", "waits"])
def test_a_function_that_changes_the_directory_does_not_move_another(daemon, route):
    for _ in range(ROUNDS):
        assert predictions(daemon, "moves") == ["/"]
        assert predictions(daemon, route) == ["first"]


def test_a_function_that_sets_model_name_does_not_rename_another(daemon):
    for _ in range(ROUNDS):
        predictions(daemon, "renames")
        assert predictions(daemon, "named") == [None, None]


def test_a_module_finds_again_what_it_has_changed_at_import(daemon):
    for _ in range(ROUNDS):
        assert predictions(daemon, "settled") == ["of its own", "settled"]
        assert predictions(daemon, "reads") == ["first"]


def test_a_new_model_takes_over_after_the_directory_was_changed(daemon):
    predictions(daemon, "moves")
    binary = daemon.folder / "models/price.pkl"
    new = binary.with_suffix(".new")
    new.write_text("second")
    new.replace(binary)
    daemon.wait_for(r"route /reads is served by version (?!-)\w+")
    assert predictions(daemon, "reads") == ["second"]
    assert predictions(daemon, "settled") == ["of its own", "settled"]
    new.write_text("first")
    new.replace(binary)


def test_what_is_printed_goes_to_no_client_once_standard_files_are_closed(daemon):
    for _ in range(ROUNDS):
        predictions(daemon, "closes")
        assert daemon.post("prints").status_code in (200, 500)  # on a connection that could have got number 1
    until(lambda: daemon.post("prints").status_code == 200)  # set right once a second
    assert predictions(daemon, "prints") == [1]


def test_a_function_that_closes_stdout_and_lowers_limits_breaks_no_other(daemon):
    time.sleep(1.5)  # standard files that another test has closed are set right, and no connection has their number
    predictions(daemon, "spoils")
    time.sleep(1.5)
    for _ in range(ROUNDS):
        assert predictions(daemon, "uses") == [900]
    daemon.wait_for("used")
    daemon.wait_for("logged")
