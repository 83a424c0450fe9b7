"""make new-model on a terminal: it asks, takes defaults, asks again, and Ctrl-C leaves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest
from flats import by_size, write_table
from monorepo import Monorepo


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Monorepo:
    return Monorepo(tmp_path_factory.mktemp("asking") / "repo")


QUESTIONS = ("Project", "Column to predict", "Task", "Framework", "Family", "Name of the model", "Write ")


@pytest.fixture
def terminal(repo: Monorepo, tmp_path: Path) -> Iterator[Callable[..., pexpect.spawn]]:
    opened: list[pexpect.spawn] = []

    def start(*given: str) -> pexpect.spawn:
        arguments = [
            "--no-print-directory",
            "new-model",
            f"DATASET={write_table(tmp_path / 'flats.csv', by_size)}",
            *given,
        ]
        session = pexpect.spawn(
            "make", arguments, cwd=str(repo.path), env=repo.environment(), encoding="utf-8", timeout=60
        )  # fmt: skip
        opened.append(session)
        return session

    yield start
    for session in opened:
        session.close(force=True)


def test_it_asks_and_takes_the_defaults(repo: Monorepo, terminal: Callable[[], pexpect.spawn]) -> None:
    session = terminal()
    answers = {"Project": "asked", "Column to predict": "wanted"}
    for question in QUESTIONS:
        session.expect(question)
        if question == "Column to predict":
            session.sendline("nothing")  # wrong: it says so, and asks again
            session.expect("no column 'nothing'")
            session.expect(question)
        session.sendline(answers.get(question, ""))
    session.expect("Next: make train MODEL=asked/linear")
    session.expect(pexpect.EOF)
    assert (repo.path / "projects" / "asked" / "linear" / "train.py").is_file()


def test_it_asks_for_the_serialization_where_there_is_a_choice(
    repo: Monorepo, terminal: Callable[..., pexpect.spawn]
) -> None:
    given = {"PROJECT": "chosen", "TARGET": "wanted", "TASK": "classification", "FRAMEWORK": "xgboost", "NAME": "x"}
    session = terminal(*(f"{name}={value}" for name, value in given.items()))
    session.expect_exact("Serialization (onnx, native) [onnx]")
    session.sendline("dill")
    session.expect_exact("SERIALIZATION=dill: no such format")
    session.expect_exact("Serialization (")
    session.sendline("native")
    session.expect("Write ")
    session.sendline("n")
    session.expect("nothing is written")
    session.expect(pexpect.EOF)
    assert not (repo.path / "projects" / "chosen").exists()


def press_ctrl_c(session: pexpect.spawn) -> None:
    """Until it is heard: Python loses a signal that comes after it looked for one and before it waits for a line."""
    for _ in range(3):
        session.sendintr()
        if session.expect(["interrupted|Interrupt", pexpect.TIMEOUT], timeout=20) == 0:
            return
    pytest.fail("nothing heard Ctrl-C")


@pytest.mark.slow
@pytest.mark.parametrize("question", QUESTIONS)
def test_ctrl_c_at_a_question_leaves_nothing(
    repo: Monorepo, terminal: Callable[[], pexpect.spawn], question: str
) -> None:
    before = sorted((repo.path / "projects").rglob("*"))
    session = terminal()
    for asked in QUESTIONS[: QUESTIONS.index(question)]:
        session.expect(asked)
        session.sendline("never" if asked == "Project" else "")
    session.expect(question)
    press_ctrl_c(session)
    session.expect(pexpect.EOF)
    session.close()
    assert session.exitstatus or session.signalstatus  # make itself ends by it
    assert sorted((repo.path / "projects").rglob("*")) == before
