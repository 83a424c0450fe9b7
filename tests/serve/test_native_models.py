"""Models that are no pickles: their files are verified, watched, and swapped together."""

import hashlib
import json
import os

import pytest
from waiting import until

from trainyard.contract.model_files import digest_of

pytestmark = pytest.mark.slow

# As libraries do that open their files in C: none of it is seen by Python's own functions.
PREDICT = """
import ctypes

LIBC = ctypes.CDLL(None)


def read(path):
    descriptor = LIBC.open(path.encode(), 0)
    buffer = ctypes.create_string_buffer(100)
    size = LIBC.read(descriptor, buffer, 100)
    LIBC.close(descriptor)
    return buffer.raw[:size].decode()


WEIGHTS = read("models/{name}.ubj"), read("models/{name}_words/all/words.txt")


def predict(msg):
    return {{"predictions": [list(WEIGHTS) for _ in msg.payload["instances"]]}}
"""


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)


def write_model(folder, name, text, **facts):
    """As a training does: the record first, then the files."""
    contents = {f"{name}.ubj": text, f"{name}_words/all/words.txt": f"words of {text}"}
    files = {path: hashlib.sha256(content.encode()).hexdigest() for path, content in contents.items()}
    record = {"model_name": name, "sha256": digest_of(files), "files": files} | facts
    put(folder / f"models/{name}.json", json.dumps(record))
    for path, content in contents.items():
        put(folder / "models" / path, content)
    return digest_of(files)[:12]


@pytest.fixture
def shop(tmp_path, start):
    (tmp_path / ".s2i").mkdir()
    (tmp_path / ".s2i/environment").write_text(
        "ROUTES=one:shop.one.predict:predict,two:shop.two.predict:predict\n"
        "MERGED=shop/one,shop/two\nROUTE_MODELS=one:one,two:two\n"
    )
    for name in ("one", "two"):
        (tmp_path / f"shop/{name}/test").mkdir(parents=True)
        (tmp_path / f"shop/{name}/predict.py").write_text(PREDICT.format(name=name))
        (tmp_path / f"shop/{name}/test/test_instances.json").write_text('{"payload": {"instances": [[1]]}}')
        write_model(tmp_path, name, f"{name} 1")
    return tmp_path


def answer(daemon, route):
    response = daemon.post(route, [[1]])
    payload = response.json()["payload"]
    return payload.get("error") or payload["predictions"][0][0], response.headers.get("X-Model-Version")


def test_a_new_version_is_swapped_in_whole(shop, start):
    daemon = start(shop, WORKERS="2")
    assert answer(daemon, "one")[0] == "one 1"
    version = write_model(shop, "one", "one 2")
    until(lambda: answer(daemon, "one") == ("one 2", version))
    # a file in a folder alone is a change, too: it is not what the record says
    put(shop / "models/one_words/all/words.txt", "others")
    daemon.wait_for("route /one keeps the model that it has: .*words.txt: corrupt, sha256")
    assert answer(daemon, "one") == ("one 2", version)


def test_a_corrupt_file_takes_its_own_route_down_and_no_other(shop, start):
    (shop / "models/one.ubj").write_text("other")
    daemon = start(shop, WORKERS="2")
    assert "models/one.ubj: corrupt, sha256" in answer(daemon, "one")[0]
    assert answer(daemon, "two")[0] == "two 1"


@pytest.mark.parametrize("odd", ["fifo", "missing", "loop", "outside"])
def test_odd_files_take_their_own_route_down_and_no_other(shop, start, odd):
    path = shop / "models/one.ubj"
    path.unlink()
    if odd == "fifo":
        os.mkfifo(path)
    elif odd == "loop":
        path.symlink_to(path.name)
    elif odd == "outside":
        write_model(shop, "one", "one 1", files={"../outside": "0" * 64})
    daemon = start(shop, WORKERS="2")
    assert f"models/one.{'json' if odd == 'outside' else 'ubj'}: " in answer(daemon, "one")[0]
    assert answer(daemon, "two")[0] == "two 1"


@pytest.mark.parametrize("odd", ["nested", "fifo", "folder", "large", "loop"])
def test_odd_records_take_their_own_route_down_and_no_other(shop, start, odd):
    path = shop / "models/one.json"
    path.unlink()
    if odd == "nested":
        path.write_text("[" * 200_000)
    elif odd == "fifo":
        os.mkfifo(path)
    elif odd == "folder":
        path.mkdir()
    elif odd == "large":
        path.write_text("{")
        os.truncate(path, 10 << 30)
    else:
        path.symlink_to(path.name)
    daemon = start(shop, WORKERS="2")
    assert "models/one.json: not a readable JSON record (" in answer(daemon, "one")[0]
    assert answer(daemon, "two")[0] == "two 1"


def test_a_version_of_which_half_is_there_is_not_served(shop, start):
    old = json.loads((shop / "models/one.json").read_text())["files"]
    write_model(shop, "one", "one 2", replaces_files=old)
    (shop / "models/one.ubj").write_text("one 1")
    daemon = start(shop, WORKERS="2")
    assert "some files of one are of its new version, others of the one before" in answer(daemon, "one")[0]
    put(shop / "models/one_words/all/words.txt", "words of one 1")
    until(lambda: answer(daemon, "one") == ("one 1", digest_of(old)[:12]))
