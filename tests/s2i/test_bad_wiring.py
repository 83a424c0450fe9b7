"""A mistake in ``.s2i/environment`` fails the build, with the line to fix."""

from __future__ import annotations

import pytest
from contexts import write_context
from images import DAEMON, TRAIN

ROUTE = "sum/predict:shop.sum.predict:predict"
CASES = {
    "malformed line": (f"ROUTES={ROUTE}\nROUTE\n", ".s2i/environment:2: not a KEY=value line: 'ROUTE'"),
    "two fields": (
        "\nROUTES=sum/predict:predict\n",
        ".s2i/environment:2: ROUTES has 'sum/predict:predict' with 2 field",
    ),
    "four fields": (f"ROUTES={ROUTE}:x\n", ".s2i/environment:1: ROUTES has 'sum/predict:shop.sum.predict:predict:x'"),
    "unknown function": (
        "ROUTES=sum/predict:shop.sum.predict:predic\n",
        ".s2i/environment:1: ROUTES: module 'shop.sum.predict' has no function 'predic'",
    ),
    "unknown module": (
        "# wiring\n\nROUTES=sum/predict:shop.sums.predict:predict\n",
        ".s2i/environment:3: ROUTES: module 'shop.sums.predict' cannot be imported",
    ),
    "duplicate route": (f"ROUTES={ROUTE},{ROUTE}\n", ".s2i/environment:1: ROUTES names the route 'sum/predict' twice"),
}


@pytest.mark.parametrize(("text", "reason"), CASES.values(), ids=CASES)
def test_mistake_is_one_line_that_names_its_place(workshop, tmp_path, text, reason):
    error = workshop.error(write_context(tmp_path, {".s2i/environment": text}))

    assert error.startswith(f"error: {reason}")


@pytest.mark.parametrize("builder", [DAEMON, TRAIN])
def test_missing_file_says_what_to_write(workshop, tmp_path, builder):
    context = write_context(tmp_path)
    (context / ".s2i" / "environment").unlink()

    error = workshop.error(context, builder)

    assert error.startswith("error: .s2i/environment: no such file: write it: ROUTES=")


def test_module_that_does_not_import_is_named_with_its_line(workshop, tmp_path):
    context = write_context(tmp_path, {"shop/sum/predict.py": "\nimport no_such_module\n"})

    error = workshop.error(context)

    assert error.startswith("error: .s2i/environment:1: ROUTES: module 'shop.sum.predict' cannot be imported")
    assert "(shop/sum/predict.py:2)" in error


def test_module_that_ends_the_process_is_not_passed_over(workshop, tmp_path):
    context = write_context(tmp_path, {"shop/sum/predict.py": "import os\nos._exit(7)\n"})

    assert "ended the check with status 7" in workshop.error(context)


def test_train_image_checks_the_train_function(workshop, tmp_path):
    context = write_context(tmp_path, {".s2i/environment": f"ROUTES={ROUTE}\nTRAIN_MODULE=shop.sum.predict\n"})

    error = workshop.error(context, TRAIN)

    assert error.startswith(
        "error: .s2i/environment:2: TRAIN_MODULE: module 'shop.sum.predict' has no function 'train'"
    )
