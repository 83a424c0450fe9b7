"""The report of a pull request: metrics, verdict, parameters, pictures, and what failed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from monorepo import ROOT

from ci.branches import Branches

pytestmark = pytest.mark.slow

BEFORE = {"one": {"loss": 4.0, "accuracy": 0.2}, "two": {"loss": 1.0}}


@pytest.fixture
def branches(tmp_path: Path) -> Branches:
    return Branches(tmp_path)


def report(branches: Branches, *arguments: str, status: int = 0) -> str:
    made = branches.repo.make(None, "ci-report", *arguments)
    assert made.status == (2 if status else 0), made.out + made.err  # of make
    return made.out


def with_base(branches: Branches) -> str:
    branches.write_metrics(BEFORE)
    base = branches.commit("Metrics")
    branches.git("push", "-q", "origin", "work:main")
    branches.git("fetch", "-q")
    return base


def test_a_training_is_compared_with_the_default_branch(branches: Branches) -> None:
    base = with_base(branches)
    branches.one.replace("config.yaml", "x: 0.0", "x: 1.0")
    branches.commit("Nearer")
    branches.repo.make(branches.one, "train").succeeded()
    out = report(branches)
    assert out.startswith(f"## 1 model: 1 promoted\n\nCompared with commit <code>{base[:12]}</code>.\n")
    assert "### <code>sums/one</code>: promoted\n" in out
    assert "<code>loss 1 against the champion&#39;s 4&#58; better by 3</code>" in out
    assert "| <code>accuracy</code> | 0.2 | 0.5 | +0.3 | better |" in out
    assert "| <code>loss</code> | 4 | 1 | -3 | better |" in out
    assert "| <code>x</code> | <code>0.0</code> | <code>1.0</code> |" in out
    assert "steps" not in out
    assert "two" not in out
    assert report(branches) == out
    # In a folder of its own, with pictures that are there, seen from the report.
    (run,) = (branches.project / "runs").iterdir()
    (run / "plots").mkdir(exist_ok=True)
    (run / "plots" / "loss.png").write_bytes(b"PNG")
    (run / "plots" / "linked.png").symlink_to("/etc/passwd")
    (branches.repo.path / "reports").mkdir()
    assert "Wrote reports/pr.md" in branches.repo.make(None, "ci-report", "REPORT=reports/pr.md").succeeded().err
    text = (branches.repo.path / "reports/pr.md").read_text()
    found = re.findall(r"!\[.*\]\((.*)\)", text)
    assert f"../projects/sums/runs/{run.name}/plots/loss.png" in found
    assert not [path for path in found if "linked" in path]
    assert (branches.repo.path / "reports" / found[0]).is_file()


def test_what_is_worse_or_not_trained_is_said(branches: Branches) -> None:
    base = with_base(branches)
    for model in (branches.one, branches.two):
        model.replace("config.yaml", "steps: 1", "steps: 2")
    branches.write_metrics({**BEFORE, "one": {"loss": 9.0, "accuracy": 0.3, "extra": 1}})
    branches.commit("Worse")
    out = report(branches)
    assert "## 2 models: 1 not promoted, 1 not trained" in out
    assert "worse by 5" in out
    assert "| <code>extra</code> | - | 1 | - |  |" in out
    assert f"training_metrics.json is that of {base[:12]}&#58; nothing was trained since" in out
    assert "sums/two" not in report(branches, "MODEL=sums/one")
    assert report(branches, "MODEL=sums/two").count("###") == 1
    assert "there is no such model" in branches.repo.make(None, "ci-report", "MODEL=sums/three").failed("sums/three")


def test_a_training_that_fails_makes_the_check_red_and_hides_no_other(branches: Branches) -> None:
    with_base(branches)
    branches.one.replace("config.yaml", "steps: 1", "steps: 1, crash: true")
    branches.one.replace("train.py", '"as asked"', r'"a|b `c` <b> $(touch /tmp/never)"')
    branches.two.replace("config.yaml", "x: 0.0", "x: 2.0")
    branches.commit("Half of it")
    branches.repo.make(branches.one, "train")
    branches.repo.make(branches.two, "train").succeeded()
    out = report(branches, status=1)
    assert "## 2 models: 1 failed, 1 promoted" in out
    failed = next(line for line in out.splitlines() if line.startswith("**Failed:**"))
    assert "a&#124;b &#96;c&#96; &#60;b&#62;" in failed
    page = MarkdownIt("gfm-like", {"linkify": False}).render(out)
    assert page.count("<table>") == 4
    assert "<b>" not in page
    assert "| <code>loss</code> | 1 | 0 | -1 | better |" in out


def test_odd_names_do_not_break_the_table(branches: Branches) -> None:
    branches.write_metrics({"one": {"a|b": 1, "`x`\n": 2, "<i>": 3, "no number": "x", "infinite": float("inf")}})
    branches.commit("Odd")
    branches.one.replace("config.yaml", "steps: 1", 'steps: 1, "p|q": "$(x) `y`"')
    branches.write_metrics({"one": {"a|b": 2, "`x`\n": 2, "<i>": 3}})
    branches.commit("Odder")
    out = report(branches, "SINCE=HEAD^")
    page = MarkdownIt("gfm-like", {"linkify": False}).render(out)
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page, re.DOTALL)
    assert cells[:5] == ["<code>&lt;i&gt;</code>", "3", "3", "+0", "same"]
    assert cells[5:10] == ["<code>`x`</code>", "2", "2", "+0", "same"]
    assert cells[10:15] == ["<code>a|b</code>", "1", "2", "+1", "better"]
    assert cells[15:] == ["<code>p|q</code>", "-", "<code>$(x) `y`</code>"]


@pytest.mark.parametrize("summary", ["", "{", "[]", '{"one": 3}', '{"one": {}}'])
def test_a_summary_that_is_none_is_no_mistake(branches: Branches, summary: str) -> None:
    (branches.project / "training_metrics.json").write_text(summary)
    branches.one.replace("config.yaml", "x: 0.0", "x: 2.0")
    branches.commit("Odd")
    assert "### <code>sums/one</code>" in report(branches, "SINCE=main")


def test_a_shallow_clone_says_what_is_missing(branches: Branches, tmp_path: Path) -> None:
    with_base(branches)
    branches.commit("One more")
    branches.git("push", "-q", "origin", "work")
    branches.repo = branches.clone(tmp_path / "shallow", "--depth=1", "-b", "work")
    out = report(branches)
    assert "Compared with nothing: <code>nothing to compare" in out
    assert "this clone is shallow&#58; git fetch --unshallow" in out
    assert "| <code>loss</code> | - | 4 | - |  |" in out
    assert out.count("###") == 2


def test_a_mistake_in_one_model_is_a_part_of_the_report(branches: Branches) -> None:
    with_base(branches)
    branches.one.replace("config.yaml", "params:", "prams:")
    branches.two.replace("config.yaml", "x: 0.0", "x: 2.0")
    branches.commit("A mistake")
    out = report(branches, status=1)
    assert "### <code>sums/one</code>: failed" in out
    assert "prams" in out
    assert "### <code>sums/two</code>: not trained" in out


def test_the_branch_itself_is_compared_with_the_commit_before(branches: Branches) -> None:
    base = with_base(branches)
    branches.git("checkout", "-q", "main")
    branches.git("merge", "-q", "work")
    branches.one.replace("config.yaml", "x: 0.0", "x: 2.0")
    branches.write_metrics({**BEFORE, "one": {"loss": 0.0}})
    branches.commit("On main")
    branches.git("push", "-q", "origin", "main")
    out = report(branches, "SINCE=" + "0" * 40)
    assert base[:12] in out
    assert "| <code>loss</code> | 4 | 0 | -4 | better |" in out
    assert json.loads((branches.project / "training_metrics.json").read_text())["one"] == {"loss": 0.0}


def test_nothing_touched(branches: Branches) -> None:
    (branches.repo.path / "README.md").write_text("words\n")
    branches.commit("Words")
    assert report(branches).startswith("## No model is touched by this change\n")


def test_the_picture_of_a_report_has_its_pictures(tmp_path: Path, browser: Any) -> None:
    """``python -m tools.report_picture`` draws what is in the docs."""
    assert browser
    small, picture = tmp_path / "small.png", tmp_path / "report.png"
    report, drawn = tmp_path / "report.md", tmp_path / "drawn.png"
    report.write_text("## 1 model\n\n| a | b |\n| --- | --- |\n| <code>x</code> | 1 |\n")
    for target in (small, picture):
        done = subprocess.run([sys.executable, "-m", "tools.report_picture", report, target], cwd=ROOT, check=False)
        assert done.returncode == 0
        drawn.write_bytes(small.read_bytes())
        report.write_text(report.read_text() + "\n![drawn](drawn.png)\n")
    heights = [int.from_bytes(path.read_bytes()[20:24], "big") for path in (small, picture)]  # of PNG's header
    assert heights[1] > heights[0] + 20
