"""``trainyard.image.check_wiring``: a typo fails the build with one line that names the place and the fix."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PREDICT = "def predict(msg):\n    return {}\n"


@pytest.fixture
def check(tmp_path):
    """``check(predict_module_text, environment, role)``: exit status and stderr."""
    (tmp_path / "shop" / "tools").mkdir(parents=True)
    for name in ("features.py", "tools/scaling.py"):
        (tmp_path / "shop" / name).touch()
    (tmp_path / ".s2i").mkdir()

    def run(text=PREDICT, environment="ROUTES=price:shop.predict:predict", role="predict") -> tuple[int, str]:
        (tmp_path / "shop/predict.py").write_text(text)
        (tmp_path / ".s2i/environment").write_text(environment)
        done = subprocess.run(
            [sys.executable, "-m", "trainyard.image.check_wiring", role],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.stdout == ""
        return done.returncode, done.stderr

    return run


def test_good_wiring_passes_in_silence(check):
    assert check() == (0, "")
    assert check(environment="TRAIN_MODULE=shop.predict\nTRAIN_FUNCTION=predict", role="train") == (0, "")


FAILURES = {
    "an import that is not installed": (
        "import os\nimport nowhere_to_be_found\n",
        ".s2i/environment:1: ROUTES: module 'shop.predict' cannot be imported: ModuleNotFoundError: No module named "
        "'nowhere_to_be_found' (shop/predict.py:2): correct the import, or add the package that has "
        "nowhere_to_be_found to requirements_predict.txt\n",
    ),
    "an import that is called otherwise": ("import cv2\n", "add opencv-python-headless to requirements_predict.txt"),
    "a module of cortex that the stand-in lacks": (
        "import cortex.agent\n",
        "add cortex-python to requirements_predict.txt",
    ),
    "a name of cortex that the stand-in lacks": (
        "from cortex import Skill\n",
        "cortex.Skill: this image's stand-in for cortex has Message alone",
    ),
    "a client of the platform": (
        "from cortex import Cortex\nCLIENT = Cortex.local('./cortex')\n",
        "(shop/predict.py:2): add cortex-python to requirements_predict.txt",
    ),
    "a neighbour without its package": ("import features\n", "write shop.features: that is its path in the sources"),
    "a module in a neighbour": ("import tools.scaling\n", "write shop.tools.scaling: that is its path in the sources"),
    "a submodule that moved": ("import click.moved.data\n", "has no click.moved, correct the import"),
    "a module that Python no longer has": ("import parser\n", "has no parser any more, replace it"),
    "a module of the sources that is not there": ("import shop.prices\n", "there is no shop.prices in the sources"),
    "a syntax error": ("def predict(msg:\n", "SyntaxError: '(' was never closed (shop/predict.py:1): fix that line"),
    "an exception": ("x = 1\ny = x / 0\n", "ZeroDivisionError: division by zero (shop/predict.py:2)"),
    "an exception of many lines": ("raise ValueError('one\\ntwo')\n", "ValueError: one two (shop/predict.py:1)"),
    "sys.exit": ("import sys\nprint('all is well')\nsys.exit(0)\n", "it calls sys.exit(0) (shop/predict.py:3)"),
    "a misspelt function": (
        "def predcit(msg): ...\n",
        "has no function 'predict' (shop/predict.py): did you mean predcit?",
    ),
    "no function": ("", "write def predict(msg)"),
    "not a function": ("predict = {}\n", "shop.predict.predict is not callable, it is a dict (shop/predict.py)"),
    "a missing file elsewhere": ("open('/etc/no/such')\n", "FileNotFoundError"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_module_that_does_not_work_is_one_line_at_the_end(check, case):
    text, reason = FAILURES[case]
    status, error = check(text)
    assert status == 2
    last = error.splitlines()[-1] + "\n"
    assert last.startswith("error: .s2i/environment:1: ROUTES: ")
    assert reason in last
    if "print" not in text:
        assert error == last


def test_a_misspelt_module_suggests_the_right_one(check):
    status, error = check(environment="# routes\nROUTES=price:shop.predcit:predict")
    assert status == 2
    assert error.startswith("error: .s2i/environment:2: ROUTES: module 'shop.predcit'")
    assert error.endswith("did you mean shop.predict?\n")


def test_the_second_of_two_routes_is_checked_too(check):
    status, error = check(environment="ROUTES=a:shop.predict:predict,b:shop.predict:forecast")
    assert status == 2
    assert "'forecast'" in error


def test_the_train_function_is_checked(check):
    status, error = check("import sklearn_extras\n", "A=1\nTRAIN_MODULE=shop.predict", role="train")
    assert status == 2
    assert error.startswith("error: .s2i/environment:2: TRAIN_MODULE: ")
    assert "requirements_train.txt" in error


def test_an_unknown_key_is_a_warning(check):
    status, error = check(environment="ROUTES=price:shop.predict:predict\nROUTE=x")
    assert status == 0
    assert error.startswith("warning: ")
    assert "unknown key ROUTE" in error


@pytest.mark.parametrize(
    "text", ["MODEL = open('models/price.pkl').read()\n", "import os\nNAME = os.environ['MODElNAME']\n"]
)
def test_a_module_that_wants_its_model_at_import_is_a_warning(check, text):
    status, error = check(text + PREDICT)
    assert status == 0
    assert error.count("\n") == 1
    assert error.startswith("warning: .s2i/environment:1: ROUTES: module 'shop.predict' needs ")


def test_threads_and_exit_handlers_do_not_hold_up_the_build(check):
    text = "import atexit, os, threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
    assert check(text + "atexit.register(os._exit, 0)\nraise ValueError('x')\n")[0] == 2


def test_a_daemon_that_cannot_be_imported_is_one_line(check, tmp_path):
    (tmp_path / "flask.py").write_text("")  # an incompatible flask, found first
    status, error = check()
    assert status == 2
    assert error.count("\n") == 1
    assert "the daemon cannot be imported: ImportError" in error


def test_a_wrong_role_shows_the_usage(check):
    status, error = check(role="serve")
    assert status == 2
    assert error == "usage: python -m trainyard.image.check_wiring train|predict|daemon [group]\n"


def test_real_cortex_python_wins_over_the_stand_in(check, tmp_path):
    (tmp_path / "cortex.py").write_text("class Client: ...\n")
    assert check("from cortex import Client\n" + PREDICT) == (0, "")
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
    Path(tmp_path / "cortex.py").unlink()
    assert check("from cortex import Cortex, Message\nimport cortex\n" + PREDICT) == (0, "")
