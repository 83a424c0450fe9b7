"""What a rename edits in the files of a model, and what it only names. Nothing of them is imported or run."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from trainyard.contract.model_files import KEY, is_of_model
from trainyard.host.scaffold.model_places import Place

LOADERS = frozenset({"served_model_name", "predictor", "load_model", "save_model"})
VARIABLES = frozenset({"MODEL_NAME", "MODElNAME"})
_NAMED = re.compile(r"(default_)?model(_name)?", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"(?P<before>\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*(?:::?|\?)?=\s*[\"']?)(?P<value>.*)", re.S
)
SKIPPED = frozenset({".git", ".venv", ".trainyard", "__pycache__", "node_modules", "mlruns", "runs", "data", "models"})
TEXTS = (
    ".py",
    ".md",
    ".rst",
    ".txt",
    ".toml",
    ".yaml",
    ".yml",
    ".json",
    ".cfg",
    ".ini",
    ".sh",
    ".mk",
    ".ipynb",
    "Makefile",
)
LARGEST = 1 << 20  # bytes of a file that is searched


@dataclass(frozen=True)
class Names:
    """A model's names, before and after."""

    old: Place
    new: Place
    old_model: str
    new_model: str


def edited_makefile(text: str, values: Mapping[str, tuple[str, str]]) -> str:
    """A Makefile in which each variable that has the first of its ``values`` gets the second."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        match = _ASSIGNED.fullmatch(line)
        if match and not line.startswith("\t") and (pair := values.get(match["name"])):
            old, new = pair
            if re.match(rf"{re.escape(old)}(?![\w./-])", match["value"]):
                lines[number] = match["before"] + new + match["value"].removeprefix(old)
    return "\n".join(lines)


def edited_members(text: str, variable: str, old: str, new: str) -> str:
    """A Makefile whose list ``variable`` has ``new`` in the place of ``old``; an empty ``new`` leaves it out."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        match = _ASSIGNED.fullmatch(line)
        if match and match["name"] == variable and not line.startswith("\t"):
            value, hash_, comment = match["value"].partition("#")
            words = value.split()
            if old in words:
                kept = list(dict.fromkeys(new if word == old else word for word in words if word != old or new))
                lines[number] = match["before"] + " ".join(kept) + (f"  #{comment}" if hash_ else "")
    return "\n".join(lines)


def edited_environment(text: str, names: Names) -> str:
    """A .s2i/environment whose modules and MODEL_FILES are those of the new name. Routes stay: clients call them."""
    module = re.compile(rf"(?<![\w./]){re.escape(names.old.package)}(?=[.:,\s]|$)")
    lines = []
    for line in text.split("\n"):
        key, equals, value = line.partition("=")
        if equals and not key.lstrip().startswith("#"):
            value = module.sub(names.new.package, value)
            if key.strip() == KEY and names.old_model != names.new_model:
                value = ",".join(_renamed_entry(part, names) for part in value.split(","))
        lines.append(key + equals + value)
    return "\n".join(lines)


def edited_experiment(text: str, names: Names) -> str:
    """An experiment file, YAML or JSON, whose MODEL is the new name."""
    found = re.compile(
        rf"""^(?P<key>\s*["']?model["']?\s*:\s*["']?){re.escape(str(names.old))}(?=["']?\s*,?\s*(#.*)?$)""",
        re.IGNORECASE | re.MULTILINE,
    )
    return found.sub(lambda match: match["key"] + str(names.new), text)


def edited_answers(text: str, values: Mapping[str, tuple[str, str]]) -> str:
    """Copier's answers, in which each that is the first of its ``values`` becomes the second."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        key, colon, value = line.partition(": ")
        if colon and key in values and value.strip("'\"") == values[key][0]:
            lines[number] = f"{key}: {yaml.safe_dump(values[key][1]).splitlines()[0]}"
    return "\n".join(lines)


def edited_page(text: str, names: Names) -> str:
    """A page about the model, with its new place."""
    old = re.compile(rf"(?<![\w./-])(projects/)?{re.escape(str(names.old))}(?!\w)")
    return old.sub(lambda match: f"{match[1] or ''}{names.new}", text)


def _renamed_entry(part: str, names: Names) -> str:
    name = part.strip()
    return part.replace(names.old_model, names.new_model, 1) if is_of_model(name, names.old_model) else part


def edited_python(text: str, names: Names) -> str:
    """A source whose ``project.model`` and plain model names are the new ones; as it is where Python cannot read it."""
    try:
        tokens = [
            token for token in tokenize.generate_tokens(io.StringIO(text).readline)
            if token.type not in (tokenize.NL, tokenize.COMMENT)
        ]  # fmt: skip
    except (tokenize.TokenError, SyntaxError):
        return text
    lines = text.splitlines(keepends=True)
    for token, new in sorted(_replaced(tokens, names), key=lambda found: found[0].start, reverse=True):
        row, begin = token.start
        line = lines[row - 1]
        lines[row - 1] = line[:begin] + new + line[token.end[1] :]
    return "".join(lines)


def _replaced(tokens: list[tokenize.TokenInfo], names: Names) -> Iterator[tuple[tokenize.TokenInfo, str]]:
    for place, token in enumerate(tokens):
        before = [one.string for one in tokens[max(0, place - 2) : place]]
        after = [one.string for one in tokens[place + 1 : place + 3]]
        if token.type == tokenize.NAME and token.string == names.old.project and before[-1:] != ["."]:
            if after == [".", names.old.model]:
                yield token, names.new.project
                yield tokens[place + 2], names.new.model
        elif token.type == tokenize.STRING and _literal(token.string) == names.old_model and _names_model(before):
            yield token, token.string.replace(names.old_model, names.new_model, 1)


def _literal(source: str) -> object:
    with contextlib.suppress(ValueError, SyntaxError):
        return ast.literal_eval(source)
    return None


def _names_model(before: list[str]) -> bool:
    """Whether a text after these two tokens is the name of a model, and not a text that is equal by chance."""
    if len(before) < 2:
        return False
    what, sign = before
    if sign == "(":
        return what in LOADERS
    if sign == "=":
        return bool(_NAMED.fullmatch(what))
    return sign == "," and _literal(what) in VARIABLES


def mentions(root: Path, names: Names, without: tuple[Path, ...]) -> Iterator[str]:
    """``file:line: text`` of what still names the old place, in text files that nobody has generated."""
    old = re.compile(rf"(?<![\w./]){re.escape(names.old.project)}[./]{re.escape(names.old.model)}(?![\w])")
    plain = re.compile(rf"from\s+{re.escape(names.old.project)}\s+import\b.*\b{re.escape(names.old.model)}\b")
    for path in _texts(root):
        if path in without:
            continue
        try:
            text = path.read_text(errors="replace") if path.stat().st_size <= LARGEST else ""
        except OSError:
            continue
        for number, line in enumerate(text.split("\n"), start=1):
            if old.search(line.replace("projects/", "")) or (path.suffix == ".py" and plain.search(line)):
                yield f"{path.relative_to(root)}:{number}: {line.strip()[:100]}"


def _texts(root: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.endswith(".egg-info"))
        yield from (
            path for name in sorted(files) if name.endswith(TEXTS) and not (path := Path(parent, name)).is_symlink()
        )
