"""What the docs name exists."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = [
    Path(name)
    for name in subprocess.run(
        ["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
]


@pytest.mark.parametrize("path", DOCS, ids=str)
def test_links_in_the_docs_lead_somewhere(path: Path) -> None:
    text = (ROOT / path).read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (ROOT / path.parent / target).exists(), f"{path}: {target}"
    for anchor_file, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
        headings = re.findall(r"^#+ (.*)$", (ROOT / path.parent / (anchor_file or path.name)).read_text(), re.M)
        assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, f"{path}: #{anchor}"


IMAGES = re.compile(r"trainyard/(base|train|daemon|deps|debian|track|retrain)$")


@pytest.mark.parametrize("path", DOCS, ids=str)
def test_paths_in_the_docs_exist(path: Path) -> None:
    tops = {entry.name for entry in ROOT.iterdir() if entry.is_dir()} - {"models", "data", "mlruns", ".trainyard"}
    for name in re.findall(r"`([A-Za-z_.]+/[\w./-]*)`", (ROOT / path).read_text()):
        if name.split("/")[0] in tops and not IMAGES.match(name):
            assert (ROOT / name).exists() or (ROOT / path.parent / name).exists(), f"{path}: {name}"


def test_every_make_verb_in_the_docs_exists() -> None:
    makefiles = [(ROOT / "Makefile").read_text(), *(path.read_text() for path in ROOT.glob("mk/*.mk"))]
    targets = {target for text in makefiles for target in re.findall(r"^([a-z][a-z-]+):", text, re.MULTILINE)}
    for path in DOCS:
        # Code: what is indented, or between backquotes.
        code = re.findall(r"^    .*$|`[^`\n]+`", (ROOT / path).read_text(), re.MULTILINE)
        for verb in re.findall(r"\bmake (?:-n )?([a-z][a-z-]+)", "\n".join(code)):
            assert verb in targets, f"{path}: make {verb}"


def test_mk_readme_lists_every_file() -> None:
    text = (ROOT / "mk" / "README.md").read_text()
    for path in (ROOT / "mk").iterdir():
        assert path.name in ("README.md", "__pycache__") or f"`{path.name}`" in text, path


def test_the_example_of_a_new_monorepo_is_that_of_the_page() -> None:
    """docs/your-own-model.md writes the model that `trainyard init` brings; one text in two places stays one."""
    template = ROOT / "trainyard" / "templates" / "monorepo"
    page = (ROOT / "docs" / "your-own-model.md").read_text()
    files = re.findall(r"^    # (projects/\S+)\n((?:    .*\n|\n)+)", page, re.MULTILINE)
    assert len(files) == len([path for path in (template / "projects").rglob("*") if path.is_file()]) - 1  # .gitkeep
    for name, text in files:
        path = template / name
        own = (path if path.is_file() else path.with_name(f"{path.name}.jinja")).read_text()
        assert own == re.sub("^    ", "", text, flags=re.MULTILINE).rstrip() + "\n", name


def test_a_new_monorepo_ignores_what_ours_does() -> None:
    template = ROOT / "trainyard" / "templates" / "monorepo"
    ours = (ROOT / ".gitignore").read_text().splitlines()
    assert set((template / ".gitignore").read_text().splitlines()) <= set(ours)
    assert (template / ".gitattributes").read_text() == (ROOT / ".gitattributes").read_text()
