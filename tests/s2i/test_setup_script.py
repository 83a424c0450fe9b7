"""setup.sh: before the requirements, as root, whatever it removes."""

from __future__ import annotations

import pytest
from contexts import write_context
from images import DAEMON, inside, predictions, serving

SETUP = """#!/bin/bash
id -u > /usr/local/lib/ran-as
python3 -c 'import colorama' 2>/dev/null && echo late > /usr/local/lib/order || echo first > /usr/local/lib/order
rm -rf /tmp/* /var/tmp/*
"""


@pytest.fixture(scope="module")
def built(workshop, tmp_path_factory):
    files = {"setup.sh": SETUP, "requirements.txt": "colorama==0.4.6\n"}
    image = workshop.name("setup")
    workshop.build(write_context(tmp_path_factory.mktemp("setup"), files), DAEMON, image)
    return image


def test_runs_as_root_before_the_requirements(built):
    assert inside(built, "cd /usr/local/lib && cat ran-as order").split() == ["0", "first"]
    assert inside(built, "python3 -c 'import colorama; print(colorama.__version__)'").strip() == "0.4.6"


def test_emptying_tmp_does_no_harm(built):
    with serving(built) as port:
        assert predictions(port, "sum/predict", [[1, 2]]) == [3.5]


def test_failure_is_one_line(workshop, tmp_path):
    context = write_context(tmp_path, {"setup.sh": "echo working\nno-such-program --option\nexit 3\n"})

    assert workshop.error(context) == "error: setup.sh: failed with status 3: see its output above"
