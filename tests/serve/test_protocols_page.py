"""The examples of docs/protocols.md, asked of a daemon."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import town

PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"
EXAMPLES = re.findall(r"^    \$ (.*\n(?:     .*\n)*)    (\{.*\})$", PAGE.read_text(), re.MULTILINE)


@pytest.fixture(scope="module")
def server(start, tmp_path_factory):
    folder = town.build(tmp_path_factory.mktemp("town") / "action", "houses/value:town.houses.predict:predict_value")
    return start(folder, WORKERS="1")


@pytest.mark.parametrize(("command", "shown"), EXAMPLES)
def test_an_example_answers_as_shown(server, command, shown):
    command = command.replace("localhost:5111", server.url)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, timeout=20)
    assert json.loads(done.stdout) == json.loads(shown)


def test_all_examples_are_found():
    assert len(EXAMPLES) == PAGE.read_text().count("\n    $ ") == 6
