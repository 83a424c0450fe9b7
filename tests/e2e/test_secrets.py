"""No credential gets into an image: the build fails before an engine starts, or what it wrote is found; make audit."""

from __future__ import annotations

import shutil

import pytest
from monorepo import Model, Monorepo

AWS = "AKIA" + "Q3EGXMPLRT7WZ2KV"  # in two parts, as all forms of keys here: others look for them, too
HUGGING_FACE = "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH"
INDEX = "http://reader:correct%40horse@127.0.0.1:9/simple"


@pytest.fixture(scope="module", autouse=True)
def resolved(repo: Monorepo) -> None:
    """Empty requirements have been resolved: no index that does not answer is asked for them."""
    first = repo.add_model("first")
    repo.make(first, "build-train").succeeded()
    repo.make(first, "clean").succeeded()
    shutil.rmtree(first.path)


def built(repo: Monorepo) -> list[str]:
    return [path.parent.name for path in repo.path.glob(".trainyard/process/images/*/image.json")]


def add_line(model: Model, file: str, line: str) -> None:
    with (model.path / file).open("a") as opened:
        opened.write(line + "\n")


@pytest.mark.parametrize(
    ("file", "line", "shown", "what"),
    [
        ("train.py", f"KEY = '{AWS}'", "train.py:13", "an AWS access key"),
        ("test/test_instances.json", '"' + "-----BEGIN RSA " + 'PRIVATE KEY-----\\nMIIE"', ":1", "a private key"),
        (".s2i/environment", f"HF_TOKEN={HUGGING_FACE}", ".s2i/environment:4", "a Hugging Face token"),
        ("predict.py", "URL = 'correct@horse'", "predict.py:12", "the password in INDEX_URL"),
        ("setup.sh", "echo cmVhZGVyOmNvcnJlY3RAaG9yc2U= > x", "setup.sh:1", "the password in INDEX_URL"),
        ("notes.txt", "token: token-of-the-server", "notes.txt:1", "API_TOKEN"),
    ],
)
def test_a_credential_in_the_sources(repo: Monorepo, model: Model, file: str, line: str, shown: str, what: str) -> None:
    add_line(model, file, line)
    made = repo.make(model, "build-train", INDEX_URL=INDEX, API_TOKEN="token-of-the-server")
    output = made.failed(f"projects/sums/{model.name}/", shown, what, ".s2iignore")
    for secret in (AWS, HUGGING_FACE, "horse", "token-of-the-server"):
        assert secret not in output
    assert f"{model.container}-train" not in built(repo)


@pytest.mark.slow
def test_one_in_shared_code_and_one_in_the_requirements(repo: Monorepo, model: Model) -> None:
    shared = repo.path / "common_utils" / "keys.py"
    shared.write_text(f"KEY = '{AWS}'\n")
    repo.make(model, "build-predict").failed("error: common_utils/keys.py:1: an AWS access key")
    shared.unlink()
    add_line(model, "requirements_predict.txt", "# --index-url " + INDEX)
    repo.make(model, "show").succeeded()  # resolves, with an index that answers
    made = repo.make(model, "build-predict", INDEX_URL=INDEX)
    made.failed(f"{model.name}/requirements_predict.txt:1: the password in INDEX_URL")


def test_what_is_no_secret_can_be_declared_none(repo: Monorepo, model: Model) -> None:
    add_line(model, "train.py", f"KEY = '{AWS}'  # of the tests, opens nothing; trainyard: allow-secret")
    add_line(model, "train.py", "HEADER = '-----BEGIN " + "PRIVATE KEY-----'")
    add_line(model, "train.py", "EXAMPLE = 'AKIA" + "IOSFODNN7EXAMPLE'")
    repo.make(model, "build-train").succeeded()


def test_a_file_that_is_ignored_may_hold_one(repo: Monorepo, model: Model) -> None:
    add_line(model, "local.py", f"KEY = '{AWS}'")
    repo.make(model, "build-train").failed("local.py:1")
    add_line(model, ".s2iignore", "local.py")
    repo.make(model, "build-train").succeeded()


def test_a_short_password_is_not_searched_for_and_that_is_printed(repo: Monorepo, model: Model) -> None:
    made = repo.make(model, "build-train", HTTP_PROXY="http://me:def@127.0.0.1:9", INDEX_URL="").succeeded()
    assert "the password in HTTP_PROXY is shorter than 6 characters" in made.err


def test_a_models_own_code_is_given_none(repo: Monorepo, model: Model) -> None:
    """A module that is imported by the check may write what it finds in the environment: there is nothing."""
    add_line(model, "predict.py", "open('cached.txt', 'w').write(repr(dict(os.environ)))")
    repo.make(model, "build-predict", INDEX_URL=INDEX).succeeded()
    images = repo.path / ".trainyard/process/images"
    (written,) = (images / f"{model.container}-predict").glob("builds/*/cached.txt")
    assert "TRAINYARD_HOME" in written.read_text()
    assert "127.0.0.1:9" not in written.read_text()


@pytest.mark.slow
def test_an_audit_of_images(repo: Monorepo, model: Model) -> None:
    repo.make(model, "audit").failed("has none of", f"{model.container}-train")
    add_line(model, "notes.txt", "correct%40horse")
    repo.make(model, "build-predict").succeeded()
    made = repo.make(model, "audit").succeeded()
    assert "No credentials in 1 images" in made.err
    made = repo.make(model, "audit", INDEX_URL=INDEX)
    made.failed("1 credentials in images")
    assert f"sums/{model.name}/notes.txt: the password in INDEX_URL" in made.out
    assert "horse" not in made.out + made.err


def test_an_audit_of_everything(repo: Monorepo, model: Model) -> None:
    add_line(model, "notes.txt", f"{AWS} trainyard: allow-secret")
    repo.make(model, "build-train").succeeded()
    made = repo.make(None, "audit").succeeded()
    assert "No credentials in 1 images" in made.err
    made = repo.make(None, "audit", f"MODEL=sums/{model.name}").succeeded()
    assert "No credentials in 1 images" in made.err
