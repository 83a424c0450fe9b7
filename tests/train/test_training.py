"""What a training leaves behind when it succeeds."""

import hashlib
import json
import pickle
import stat
import sys

from trainyard.contract.records import read_verified
from trainyard.image.train.staging import stamp


def test_a_historical_function_gets_a_binary_a_record_and_its_result_printed(sources):
    sources.write(
        """
        with open("models/{}.pkl".format(msg.payload["model_name"]), "wb") as file:
            pickle.dump([line for line in open(msg.payload["$ref"])], file)
        return "model saved"
        """
    )
    (sources.root / "requirements.lock").write_text("numpy==2.4.6\n")
    status, out, error = sources.train(TRAINYARD_COMMIT="c2", TRAIN="1")
    assert (status, error) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "---> Training shop.train:train on data/prices.csv"
    assert lines[1] == "model saved"
    assert lines[2].startswith("---> Wrote models/price.pkl (")
    assert sources.listing() == ["price.json", "price.pkl"]
    content, record = read_verified(sources.models, "price")
    assert pickle.loads(content) == ["size,price\n", "1,10\n"]
    dataset = (sources.root / "data/prices.csv").read_bytes()
    expected = {
        "model_name": "price",
        "dataset": "data/prices.csv",
        "dataset_sha256": hashlib.sha256(dataset).hexdigest(),
        "payload": {"$ref": "data/prices.csv", "model_name": "price"},
        "lock": hashlib.sha256(b"numpy==2.4.6\n").hexdigest(),
        "commit": "c2",
        "python": sys.version.split()[0],
    }
    assert {key: record[key] for key in expected} == expected
    assert record["started"] < record["finished"]
    assert record["seconds"] >= 0
    assert "replaces" not in record


def test_files_are_group_writable(sources):
    sources.write('open("models/price.pkl", "wb").write(b"1")')
    assert sources.train()[0] == 0
    for name in ("price.pkl", "price.json"):
        assert stat.S_IMODE((sources.models / name).stat().st_mode) == 0o664


def test_the_functions_own_record_is_kept_and_completed(sources):
    sources.write(
        """
        import json, numpy
        open("models/price.pkl", "wb").write(b"1")
        json.dump({"metrics": {"mae": 0.5}, "sha256": "wrong"}, open("models/price.json", "w"))
        return {"mae": numpy.float64(0.5)}
        """
    )
    _, out, _ = sources.train()
    assert json.loads(out.splitlines()[1]) == {"mae": 0.5}
    record = sources.record()
    assert record["metrics"] == {"mae": 0.5}
    assert record["sha256"] == hashlib.sha256(b"1").hexdigest()
    assert "numpy" in record["packages"]


def test_a_new_binary_does_not_inherit_the_metrics_of_the_old_one(sources):
    sources.binary.write_bytes(b"old")
    (sources.models / "price.json").write_text('{"metrics": {"mae": 0.1}}')
    sources.write('open("models/price.pkl", "wb").write(b"new")')
    assert sources.train()[0] == 0
    assert "metrics" not in sources.record()
    assert sources.record()["replaces"] == hashlib.sha256(b"old").hexdigest()


def test_several_binaries_folders_and_other_files_arrive(sources):
    sources.write(
        """
        for name in ("price", "price_encoder"):
            open(f"models/{name}.pkl", "wb").write(name.encode())
        os.mkdir("models/price_trees")
        open("models/price_trees/0.txt", "w").write("tree")
        open("plot.txt", "w").write("plot")
        """
    )
    assert sources.train()[0] == 0
    assert sources.listing() == ["price.json", "price.pkl", "price_encoder.json", "price_encoder.pkl", "price_trees"]
    assert (sources.models / "price_trees/0.txt").read_text() == "tree"
    assert (sources.root / "plot.txt").read_text() == "plot"


def test_a_link_to_a_binary_becomes_that_binary(sources):
    sources.binary.write_bytes(b"old")
    sources.write(
        """
        open("models/price-v2.pkl", "wb").write(b"new")
        os.remove("models/price.pkl")
        os.symlink("price-v2.pkl", "models/price.pkl")
        """
    )
    assert (*sources.train()[::2],) == (0, "")
    assert sources.listing() == ["price-v2.json", "price-v2.pkl", "price.json", "price.pkl"]
    assert not sources.binary.is_symlink()
    assert read_verified(sources.models, "price")[0] == b"new"
    assert sources.record()["replaces"] == hashlib.sha256(b"old").hexdigest()


def test_what_is_no_file_is_named_and_not_kept(sources):
    sources.write(
        """
        open("models/price.pkl", "wb").write(b"new")
        os.mkfifo("models/pipe")
        os.symlink("nowhere", "models/latest")
        """
    )
    status, _, error = sources.train()
    assert (status, error) == (0, "warning: latest, pipe: not a regular file in models/, and not kept\n")
    assert sources.listing() == ["price.json", "price.pkl"]


def test_other_models_can_be_read_and_are_left_alone(sources):
    (sources.models / "other.pkl").write_bytes(b"other")
    (sources.models / "large.pkl").write_bytes(b"x" * (17 << 20))
    before = {path.name: stamp(path) for path in sources.models.iterdir()}
    sources.write(
        """
        size = len(open("models/large.pkl", "rb").read())
        open("models/price.pkl", "wb").write(open("models/other.pkl", "rb").read())
        return size
        """
    )
    _, out, _ = sources.train()
    assert out.splitlines()[1] == str(17 << 20)
    assert sources.binary.read_bytes() == b"other"
    assert {name: stamp(sources.models / name) for name in before} == before


def test_a_binary_written_by_an_absolute_path_gets_a_record_and_a_warning(sources):
    sources.binary.write_bytes(b"old")
    (sources.models / "price.json").write_text(json.dumps({"sha256": hashlib.sha256(b"old").hexdigest()}))
    sources.write(f'open("{sources.binary}", "wb").write(b"new")')
    status, _, error = sources.train()
    assert status == 0
    assert error.count("\n") == 1
    assert "absolute path" in error
    assert read_verified(sources.models, "price")[0] == b"new"


def test_a_training_that_writes_no_binary_says_so(sources):
    sources.write("return 3")
    status, _, error = sources.train()
    assert status == 0
    assert error == "warning: the training wrote no models/price.pkl\n"


def test_the_record_shows_the_payload_as_it_was_given(sources):
    sources.write(
        """
        msg.payload.pop("model_name")
        open("models/price.pkl", "wb").write(b"1")
        """
    )
    sources.train()
    assert sources.record()["payload"]["model_name"] == "price"


def test_train_0_does_nothing_and_says_so(sources):
    sources.write('open("models/price.pkl", "wb").write(b"1")')
    status, out, error = sources.train(TRAIN="0")
    assert (status, error, sources.listing()) == (0, "", [])
    assert "TRAIN=0" in out


def test_a_historical_train_module_imports_cortex(sources):
    sources.write(
        'open("models/price.pkl", "wb").write(b"1")\nreturn Message(msg).payload["$ref"]',
        "from cortex import Cortex, Message",
    )
    assert sources.train()[1].splitlines()[1] == "data/prices.csv"


def test_the_train_function_may_call_sys_exit_0(sources):
    sources.write('open("models/price.pkl", "wb").write(b"1")\nsys.exit(0)')
    assert sources.train()[0] == 0
    assert sources.binary.exists()


def test_processes_that_a_function_starts_end_when_they_are_terminated(sources):
    sources.write(
        """
        for method in ("fork", "spawn", "forkserver"):
            with multiprocessing.get_context(method).Pool(2) as pool:
                print(method, *pool.map(handler, range(3)))
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
        child.terminate()
        child.join()
        print("ended by", child.exitcode)
        open("models/price.pkl", "w").close()
        """,
        """
        import multiprocessing, signal

        def handler(_):
            return int(signal.getsignal(signal.SIGTERM))
        """,
    )
    status, out, error = sources.train()
    assert (status, error) == (0, "")
    assert {"fork 0 0 0", "spawn 0 0 0", "forkserver 0 0 0", "ended by -15"} <= set(out.splitlines())
