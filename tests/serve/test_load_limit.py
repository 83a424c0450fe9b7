"""LOAD_TIMEOUT is the time of one route: what hangs fails alone, and what is loaded stays."""

import re
import time

import pytest

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
    said = daemon.post("hangs").json()["payload"]["error"]
    assert "hangs.py:5" in said
    assert "loading took longer than LOAD_TIMEOUT=1 s" in said
    assert sorted(re.findall(r"imported (\w+)", daemon.text())) == sorted(SECONDS)  # nothing was loaded twice
