"""LOAD_TIMEOUT is the time of one route: what hangs fails alone, and what is loaded stays."""

import re
import time

import pytest

pytestmark = pytest.mark.slow

PREDICT = """
import time

print("imported {name}", flush=True)
time.sleep({seconds})


def predict(msg):
    return {{"predictions": [1 for _ in msg["payload"]["instances"]]}}
"""
SECONDS = {"first": 0.7, "second": 0.7, "hangs": 600, "third": 0.7}


@pytest.mark.parametrize("share", ["1", "0"])
def test_a_model_that_hangs_fails_alone(start, tmp_path, share):
    (tmp_path / "models").mkdir()
    (tmp_path / ".s2i").mkdir()
    for name, seconds in SECONDS.items():
        (tmp_path / f"{name}.py").write_text(PREDICT.format(name=name, seconds=seconds))
    routes = ",".join(f"{name}:{name}:predict" for name in SECONDS)
    (tmp_path / ".s2i/environment").write_text(f"ROUTES={routes}\n")
    started = time.monotonic()
    daemon = start(tmp_path, WORKERS="1", SHARE=share, LOAD_TIMEOUT="1")
    assert time.monotonic() - started > 0.7 * 3 + 1  # longer than LOAD_TIMEOUT, since that counts for each route
    assert [daemon.post(name).status_code for name in SECONDS] == [200, 200, 503, 200]
    output = daemon.post("hangs").json()["payload"]["error"]
    assert "hangs.py:5" in output
    assert "loading took longer than LOAD_TIMEOUT=1 s" in output
    assert sorted(re.findall(r"imported (\w+)", daemon.text())) == sorted(SECONDS)  # nothing was loaded twice


def test_a_new_model_that_hangs_leaves_the_old_one(start, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / ".s2i").mkdir()
    (tmp_path / "models/m.pkl").write_text("0")
    (tmp_path / "shop.py").write_text(
        "import time\n\n\ndef predict(msg):\n    seconds = open('models/m.pkl').read()\n    time.sleep(int(seconds))\n"
        "    return {'predictions': [seconds]}\n"
    )
    (tmp_path / "test").mkdir()
    (tmp_path / "test/test_instances.json").write_text('{"payload": {"instances": [[1]]}}')
    (tmp_path / ".s2i/environment").write_text("ROUTES=m:shop:predict\n")
    daemon = start(tmp_path, WORKERS="1", LOAD_TIMEOUT="1")
    assert daemon.post("m").status_code == 200
    (tmp_path / "models/new").write_text("600")
    (tmp_path / "models/new").replace(tmp_path / "models/m.pkl")
    daemon.wait_for(r"route /m keeps the model that it has: .*LOAD_TIMEOUT=1 s")
    assert daemon.process.poll() is None
