"""The commands of the README and the docs, as they stand there, in a copy of the repository, without containers.

What they show of s2i and of docker is run by tests/s2i and tests/historical; `make test` is what runs all this.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from monorepo import ROOT, Monorepo, ask, free_port
from worked_examples import commit_all, follow, prints, shipped_clone

ELSEWHERE = re.compile(
    r"(s2i|docker tag|docker build|make push) |.*<project>/<model>|(CI=1 |NIGHTLY=1 )*make (test|lint|format)( |$)"
)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monorepo]:
    repo = shipped_clone(tmp_path_factory.mktemp("clone") / "trainyard")
    yield repo
    repo.make(None, "stop")


def blocks(document: str) -> list[list[str]]:
    """The indented blocks of a document that are commands, comments dropped."""
    text = (ROOT / document).read_text()
    found = []
    for block in re.findall(r"(?:^    .*\n)+", text, re.MULTILINE):
        lines = [re.sub(r"\s+#.*", "", line).strip() for line in block.splitlines()]
        if re.match(r"(make|cd|mkdir|s2i|docker tag) ", lines[0]):
            found.append([line for line in lines if line and not ELSEWHERE.match(line)])
    return [block for block in found if block]


def run(repo: Monorepo, commands: list[str], **env: str) -> str:
    """Run a block in one shell, a server in the background."""
    script = "set -e\n" + "\n".join(commands)
    done = subprocess.run(
        ["bash", "-c", script], cwd=repo.path, env=repo.environment(DETACH="1", **env), capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, f"{commands}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.slow
def test_the_first_command(clone: Monorepo) -> None:
    first = blocks("README.md")[0]
    assert first == ["make demo"]
    out = run(clone, first, PORT=str(free_port()), KEEP="0")
    for name in ("lr", "rf", "xgb", "cat"):
        assert re.search(rf"^/adult_income_{name}/predict +200 +\[0, 1, 0\] +[\d.]+ ms +[\d.]+ ms$", out, re.MULTILINE)
    assert "Stopped adult-income-all (process)" in out
    assert len(out.splitlines()) < 40


ONE_MODEL, MANY_MODELS = range(1, len(blocks("README.md")))


@pytest.mark.parametrize("number", [ONE_MODEL, pytest.param(MANY_MODELS, marks=pytest.mark.slow)])
def test_the_readme(clone: Monorepo, number: int) -> None:
    block = blocks("README.md")[number]
    port = str(free_port())
    try:
        run(clone, block, PORT=port)
    finally:
        run(clone, ["make stop"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "document",
    [
        pytest.param("docs/engines.md", marks=pytest.mark.nightly), "docs/troubleshooting.md", "docs/contract.md",
        "docs/training-packages.md", "CONTRIBUTING.md",
    ],
)  # fmt: skip
def test_the_docs(clone: Monorepo, document: str) -> None:
    for block in blocks(document):
        run(clone, block, PORT=str(free_port()))


@pytest.mark.nightly
def test_bad_instances_of_a_shipped_model_are_400(clone: Monorepo) -> None:
    model = clone.path / "projects" / "finance_income_prediction" / "logisticRegression"
    row = json.loads((model / "test" / "test_instances.json").read_text())["payload"]["instances"][0]
    clone.make(model, "train").succeeded()
    with clone.serving(model) as port:

        def answer(instances: object) -> tuple[int, str]:
            body = json.dumps({"payload": {"instances": instances}}).encode()
            status, text = ask(port, "adult_income_lr/predict", body)
            return status, json.loads(text)["payload"].get("error", "")

        assert answer([row])[0] == 200
        assert answer([["workclass_Unheard-of" if value == row[1] else value for value in row]])[0] == 200
        for wrong, part in (
            ([row[:-1]], "13"),
            ([row, row[:3]], "row"),
            ([["old", *row[1:]]], "age"),
            ([[None, *row[1:]]], "age"),
            ([[25, 1, *row[2:]]], "workclass"),
        ):
            status, error = answer(wrong)
            assert (status, part in error) == (400, True), error
        body = json.dumps({"payload": {"instances": [[float("nan"), *row[1:]]]}}).encode()
        assert ask(port, "adult_income_lr/predict", body)[0] == 400


@pytest.mark.slow
def test_the_worked_example_of_experiments_prints_what_it_says(clone: Monorepo) -> None:
    follow(clone, "experiments.md")


@pytest.mark.slow
def test_the_worked_example_of_data_prints_what_it_says(clone: Monorepo) -> None:
    follow(clone, "data.md")


@pytest.mark.slow
def test_the_worked_example_of_retraining_prints_what_it_says(clone: Monorepo) -> None:
    commit_all(clone)
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    try:
        follow(
            clone, "retraining.md", {"5005": port}, RETRAIN_URL=url, RETRAIN_PORT=port, TRACK_PORT=str(free_port())
        )  # fmt: skip
    finally:
        clone.make(None, "retrain-stop").succeeded()
        clone.make(None, "track-stop").succeeded()
        shutil.rmtree(clone.path / ".git")


@pytest.mark.slow
def test_a_run_is_trained_again_as_the_docs_show(clone: Monorepo) -> None:
    """The shipped model with XGBoost gives the same numbers, and the same bytes."""
    text = (ROOT / "docs" / "experiments.md").read_text().partition("## Train a run again")[2]
    ((command, output),) = re.findall(r"^    \$ (.*)\n((?:    .*\n)*)", text.partition("\n## ")[0], re.MULTILINE)
    folder = clone.path / "projects/finance_income_prediction/xgBoost"
    shutil.copy(ROOT / ".gitignore", clone.path)
    try:
        for arguments in (
            ["init", "-q"],
            ["add", "."],
            ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qma"],
        ):
            subprocess.run(["git", *arguments], cwd=clone.path, check=True)
        clone.make(folder, "train", 'PAYLOAD={"params": {"n_estimators": 60, "learning_rate": 0.3}}').succeeded()
        prints(clone, folder, command, output)
    finally:
        shutil.rmtree(clone.path / ".git")


# A file of its own after `# projects/...`, or a command after `$`, and the indented lines below either.
STEP = re.compile(r"^    (?:# (projects/\S+)|\$ (.*))\n((?:(?:    (?!# projects/|\$ ).*)?\n)*)", re.MULTILINE)


@pytest.mark.slow
def test_a_model_of_ones_own(clone: Monorepo) -> None:
    """From an empty directory on: each file is written, each command run, in the order of the page."""
    port, folder = str(free_port()), clone.path
    steps = STEP.findall((ROOT / "docs" / "your-own-model.md").read_text().replace("5111", port))
    assert len(steps) > 10
    try:
        for file, command, below in steps:
            if file:
                (clone.path / file).write_text(re.sub("^    ", "", below, flags=re.MULTILINE).rstrip() + "\n")
            elif command.startswith("cd "):
                folder /= command[3:]
            else:
                prints(clone, folder, command, below, PORT=port)
    finally:
        clone.make(folder, "stop")


def test_a_shipped_model_is_shown_with_its_sources(clone: Monorepo) -> None:
    made = clone.make(None, "show", "MODEL=finance_income_prediction/randomForest").succeeded()
    assert re.search(
        r"^MODEL_NAME +adult_income_rf +projects/finance_income_prediction/randomForest/Makefile:1$", made.out, re.M
    )


@pytest.mark.slow
def test_the_whole_model_of_the_contract(clone: Monorepo) -> None:
    text = (ROOT / "docs" / "contract.md").read_text()
    block = next(
        found for found in re.findall(r"(?:^(?:    .*)?\n)+", text, re.MULTILINE) if "# projects/houses" in found
    )
    sources = re.split(r"^    # (projects/\S+)\n", block, flags=re.MULTILINE)[1:]
    model = clone.add_model("linear", "houses")
    for name, source in zip(sources[::2], sources[1::2], strict=True):
        (clone.path / name).write_text(re.sub(r"^    ", "", source, flags=re.MULTILINE))
    model.replace("Makefile", ":= linear", ":= houses_linear")
    model.replace(".s2i/environment", "predict_linear", "predict_prices")
    for role in ("train", "predict"):
        (model.path / f"requirements_{role}.txt").write_text("joblib\n")
    (model.path.parent / "data" / "numbers.csv").write_text("size,price\n10,20\n20,40\n")
    (model.path / "test" / "test_instances.json").write_text('{"payload": {"instances": [[50], [100]]}}')
    clone.make(model, "train").succeeded()
    for where, verb in ((model.path, "predict"), (clone.add_all("houses"), "predict-all")):
        with clone.serving(where, verb) as port:
            body = b'{"payload": {"instances": [[50], [100]]}}'
            assert ask(port, "linear/predict", body) == (200, '{"payload":{"predictions":[100.0,200.0]}}')
