"""What a training leaves behind when it fails: the old binary, one line or a traceback, and nothing else."""

import os
import resource
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from trainyard.contract.files import promote
from trainyard.contract.records import read_verified
from trainyard.image.train import publishing
from trainyard.image.train.staging import staging

OLD = b"the old binary"
AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
NOBODY = ("setpriv", "--reuid", "123456", "--regid", "123456", "--clear-groups")
HALF = 'file = open("models/price.pkl", "wb"); file.write(b"half"); file.flush()\n'


@pytest.fixture
def trained(sources):
    """Sources in which the model was trained before."""
    sources.write(f'open("models/price.pkl", "wb").write({OLD!r})')
    assert sources.train()[0] == 0
    return sources


def unchanged(sources) -> bool:
    return read_verified(sources.models, "price")[0] == OLD and sources.listing() == ["price.json", "price.pkl"]


def one_line(error: str) -> str:
    assert error.count("\n") == 1, error
    return error


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("", "PAYLOAD is not set"),
        ('{"$ref": ', "is not JSON"),
        ("data/prices.csv", "is not JSON"),
        ("[1]", "is not a JSON object"),
        ('{"model_name": "price", "x": NaN}', "there is no NaN in JSON"),
        ({"$ref": "data/prices.csv", "model_name": "../evil"}, "cannot be a file name"),
        ({"$ref": "data/prices.csv", "model_name": 3}, "cannot be a file name"),
        ({"$ref": 3, "model_name": "price"}, "not a path"),
        ({"$ref": "data/price.csv", "model_name": "price"}, "data/price.csv: no such dataset (data/ has prices.csv)"),
    ],
)
def test_a_bad_payload_is_one_line_and_status_2(trained, payload, reason):
    trained.write("import a_heavy_module_that_is_not_there")
    status, _, error = trained.train(payload)
    assert status == 2
    assert reason in one_line(error)
    assert unchanged(trained)


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        (None, ".s2i/environment: no such file"),
        ("ROUTES=a:b:c\n", "TRAIN_MODULE is missing"),
        ("TRAIN_MODULE=shop.trian\n", "did you mean shop.train?"),
        ("TRAIN_MODULE=shop.train\nTRAIN_FUNCTION=trian\n", "did you mean train?"),
        ("TRAIN_MODULE=shop.train\nTRAIN_FUNCTION=PRICES\n", "not callable"),
    ],
)
def test_a_missing_module_or_function_is_one_line_and_status_2(trained, environment, reason):
    trained.write("pass", "PRICES = []")
    path = trained.root / ".s2i/environment"
    path.unlink()
    if environment:
        path.write_text(environment)
    status, _, error = trained.train()
    assert status == 2
    assert reason in one_line(error)
    assert unchanged(trained)


def test_no_models_folder_is_one_line_and_status_2(sources):
    sources.write("pass")
    sources.models.rmdir()
    status, _, error = sources.train()
    assert status == 2
    assert "models/: no such folder" in one_line(error)


def open_to_all(folder):
    """Let other users in: pytest's temporary folders are for root alone, however deep they lie."""
    for part in (folder, *folder.parents):
        if part.is_relative_to(tempfile.gettempdir()) and part != Path(tempfile.gettempdir()):
            part.chmod(0o755)


@AS_ROOT
def test_an_unwritable_models_folder_is_one_line_with_the_owner(sources):
    sources.write("pass")
    open_to_all(sources.root)
    status, _, error = sources.train(prefix=NOBODY)
    assert status == 2
    assert "models/ is not writable by uid 123456: it belongs to 0:0" in one_line(error)
    assert sources.listing() == []


def test_an_exception_is_a_traceback_and_status_1(trained):
    trained.write(HALF + 'raise ValueError("bad prices")')
    status, _, error = trained.train()
    assert status == 1
    assert "Traceback" in error
    assert "shop/train.py" in error
    assert error.endswith("ValueError: bad prices\n")
    assert unchanged(trained)


def test_an_error_of_ours_is_one_line_with_its_own_status(trained):
    trained.write(HALF + 'raise TrainyardError("data/prices.csv: no column size", "add it", 1)', IMPORT)
    status, _, error = trained.train()
    assert (status, error) == (1, "error: data/prices.csv: no column size: add it\n")
    assert unchanged(trained)


IMPORT = "from trainyard.errors import TrainyardError"


def test_sys_exit_with_a_status_is_a_failure(trained):
    trained.write(HALF + "sys.exit(7)")
    status, _, error = trained.train()
    assert status == 1
    assert "sys.exit(7)" in one_line(error)
    assert unchanged(trained)


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_in_mid_training_is_one_line(trained, number, expected):
    trained.write(
        HALF
        + """
open("data/started", "w").close()
try:
    time.sleep(60)
except Exception:
    pass
"""
    )
    process = trained.start()
    trained.wait_for("started")
    process.send_signal(number)
    _, error = process.communicate(timeout=20)
    assert process.returncode == expected
    one_line(error)
    assert unchanged(trained)


def test_ctrl_c_while_it_is_imported_is_one_line(trained):
    (trained.root / "difflib.py").write_text("import time; open('data/started', 'w').close(); time.sleep(30)\n")
    process = trained.start()
    trained.wait_for("started")
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=10)[1] == "error: interrupted: models/ holds nothing half-written\n"
    assert process.returncode == 130


def test_kill_9_leaves_the_old_binary_and_the_next_training_tidies_up(trained):
    trained.write(HALF + 'open("data/started", "w").close(); time.sleep(60)')
    process = trained.start()
    trained.wait_for("started")
    process.kill()
    process.communicate()
    assert read_verified(trained.models, "price")[0] == OLD
    assert any(name.startswith(".staging-") for name in trained.listing())
    trained.write(f'open("models/price.pkl", "wb").write({OLD!r})')
    assert trained.train()[0] == 0
    assert unchanged(trained)


@pytest.mark.parametrize("milliseconds", range(40, 240, 25))
def test_a_kill_at_any_moment_leaves_a_pair_that_loads(trained, milliseconds):
    trained.write("""open("models/price.pkl", "wb").write(b"new" * 1_000_000)""")
    process = trained.start()
    try:
        process.communicate(timeout=milliseconds / 1000)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    assert read_verified(trained.models, "price")[0] in (OLD, b"new" * 1_000_000)


def test_two_trainings_at_once_both_finish_and_the_last_one_wins_whole(trained):
    trained.write(
        """
        content = msg.payload["content"].encode() * 100_000
        open("models/price.pkl", "wb").write(content)
        open("data/" + msg.payload["content"], "w").close()
        while not (os.path.exists("data/a") and os.path.exists("data/b")):
            time.sleep(0.01)
        """
    )
    payload = {"$ref": "data/prices.csv", "model_name": "price"}
    both = [trained.start(payload | {"content": content}) for content in "ab"]
    for process in both:
        _, error = process.communicate(timeout=30)
        assert (process.returncode, error) == (0, "")
    content, record = read_verified(trained.models, "price")
    assert content == record["payload"]["content"].encode() * 100_000
    assert trained.listing() == ["price.json", "price.pkl"]


def test_a_training_that_is_alive_keeps_its_staging(trained):
    trained.write(
        """
        open("models/price.pkl", "wb").write(b"slow")
        if msg.payload.get("slow"):
            open("data/started", "w").close()
            while not os.path.exists("data/other_done"):
                time.sleep(0.01)
        """
    )
    slow = trained.start({"model_name": "price", "slow": True})
    trained.wait_for("started")
    assert trained.train({"model_name": "price"})[0] == 0
    (trained.root / "data/other_done").touch()
    _, error = slow.communicate(timeout=20)
    assert (slow.returncode, error) == (0, "")


def test_a_file_size_limit_is_one_line(trained):
    trained.write('open("models/price.pkl", "wb").write(b"x" * 10_000_000)')
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))  # inherited by the training
    try:
        status, _, error = trained.train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert status == 1
    assert "models: File too large" in one_line(error)
    assert unchanged(trained)


def can_mount() -> bool:
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs to mount a file system")
@pytest.mark.parametrize("how", ["plain", "numpy", "joblib"])
def test_a_full_disk_is_one_line_that_names_the_folder(trained, how):
    writes = {
        "plain": 'open("models/price.pkl", "wb").write(b"x" * 3_000_000)',
        "numpy": 'import numpy; numpy.zeros(1_000_000).tofile("models/price.pkl")',
        "joblib": 'import joblib, numpy; joblib.dump(numpy.zeros(1_000_000), "models/price.pkl")',
    }
    trained.write(writes[how])
    script = 'cp -a models ../kept && mount -t tmpfs -o size=1m tmpfs models && cp -a ../kept/. models && "$@"; s=$?; '
    script += 'rm -r ../kept; cp -a models ../left; exit "$s"'
    status, _, error = trained.train(prefix=("unshare", "--mount", "bash", "-c", script, "_"))
    assert status == 1
    assert "models: No space left on device" in one_line(error)
    left = trained.root.parent / "left"
    assert read_verified(left, "price")[0] == OLD
    assert sorted(path.name for path in left.iterdir()) == ["price.json", "price.pkl"]


@pytest.mark.skipif(not can_mount(), reason="needs to mount a file system")
def test_a_read_only_models_folder_is_one_line(trained):
    script = 'mount --bind models models && mount -o remount,ro,bind models && exec "$@"'
    status, _, error = trained.train(prefix=("unshare", "--mount", "bash", "-c", script, "_"))
    assert status == 2
    assert "models/ is not writable: Read-only file system" in one_line(error)
    assert unchanged(trained)


def test_a_crash_between_the_two_renames_leaves_a_pair_that_loads(trained, monkeypatch):
    def crash_at_the_binary(temporary, path):
        if path.suffix == ".pkl":
            raise KeyboardInterrupt
        promote(temporary, path)

    monkeypatch.setattr(publishing, "promote", crash_at_the_binary)
    with staging(trained.root, "price") as staged:
        (staged.models / "price.pkl").write_bytes(b"new")
        with pytest.raises(KeyboardInterrupt):
            publishing.publish_all(staged, {})
    content, record = read_verified(trained.models, "price")
    assert content == OLD
    assert record["sha256"] != record["replaces"]


@pytest.mark.parametrize(
    ("line", "blamed"),
    [("pandas.DataFrame({'a': [1]}).append({'a': 2})", True), ("raise ValueError('of its own')", False)],
)
def test_old_code_that_a_new_pandas_breaks_is_given_a_word(trained, line, blamed):
    trained.write(f"import pandas\n{line}")
    status, _, error = trained.train()
    assert (status, "Traceback" in error) == (1, True)
    assert ("may need pandas<3 in its requirements" in error.splitlines()[-1]) is blamed
    assert unchanged(trained)
