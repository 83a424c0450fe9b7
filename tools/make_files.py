"""Writes what make knows of verbs and settings, and what builders know of errors, from the tables in the package:
``python -m tools.make_files``.

What it writes is committed; a test compares it with the tables.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from trainyard.host.requirements.index_errors import ANSWER, NO_LIST, TROUBLES
from trainyard.host.verbs.verb_options import READS
from trainyard.host.verbs.verb_table import ALL, MODEL, TOP, VERBS, Verb, Where, verbs_of
from trainyard.settings.ci import CiSettings
from trainyard.settings.compute import ComputeSettings, NewComputeSettings, RegistrySettings
from trainyard.settings.data import DataSettings, PackageSettings, StoreSettings
from trainyard.settings.declarations import FromEnvironment, given_to_make
from trainyard.settings.experiments import ExperimentSettings
from trainyard.settings.host import PASSED_ON, HostSettings
from trainyard.settings.retrain import ClientSettings, RetrainSettings
from trainyard.settings.scaffold import ScaffoldSettings

ROOT = Path(__file__).resolve().parents[1]
MK = ROOT / "mk"
HEAD = "# Written by `python -m tools.make_files` from {}: change it there.\n\n"
ERRORS = "trainyard/host/requirements/index_errors.py"
TABLE = "trainyard/host/verbs/verb_table.py"
REGION = re.compile(r"(<!-- {} -->\n).*(<!-- end -->\n)".format("verbs, written by `python -m tools.make_files`"), re.S)


def generated() -> dict[Path, str]:
    """Every file that is written from the tables, and what it has to say."""
    readme = MK / "README.md"
    return {
        MK / "model-verbs.mk": HEAD.format(TABLE) + _declared("VERBS", verbs_of(MODEL)) + _rules(verbs_of(MODEL)),
        MK / "all-verbs.mk": HEAD.format(TABLE) + _declared("VERBS", verbs_of(ALL)) + _rules(verbs_of(ALL)),
        MK / "top-verbs.mk": HEAD.format(TABLE) + _top(),
        MK / "settings.mk": HEAD.format("trainyard/settings/") + _settings(),
        ROOT / "builders" / "common" / "index_errors.sh": _index_errors(),
        readme: REGION.sub(lambda found: found[1] + _table() + found[2], readme.read_text()),
    }


def _index_errors() -> str:
    """``explain_index`` of the host, as a function of the shell."""
    facts = {"index": "the package index", "seconds": "${UV_HTTP_TIMEOUT:-30}", "answer": "$answer"}
    checks = "".join(
        f'    if grep -qE \'{one.pattern}\' <<<"$1"; then die "{one.problem.format(**facts)}: {one.fix}"; fi\n'
        for one in TROUBLES
    )
    return (
        f"# Sourced by ../common.sh. {HEAD.format(ERRORS).strip().removeprefix('# ')}\n"
        "# shellcheck shell=bash\n\n"
        "# explain_index OUTPUT: where the package index is to blame, ends with the one line that says what to fix.\n"
        "explain_index() {\n"
        "    local answer\n"
        f"    answer=$(sed -nE 's/.*{ANSWER}.*/\\2/p' <<<\"$1\" | head -n 1 | grep . || echo '{NO_LIST}')\n"
        f"{checks}}}\n"
    )


def _top() -> str:
    """With MODEL= a verb is the model's, where a model has it."""
    of_models = {verb.name for verb in verbs_of(MODEL)}
    own = [verb for verb in verbs_of(TOP) if verb.name not in of_models]
    shared = [verb for verb in verbs_of(TOP) if verb.name in of_models]
    lists = _declared("VERBS", verbs_of(TOP)) + _declared("MODEL_VERBS", verbs_of(MODEL))
    return f"{lists}{_rules(own)}\nifeq ($(MODEL),)\n{_rules(shared).lstrip()}endif\n"


def _declared(variable: str, verbs: Iterable[Verb]) -> str:
    return f"{variable} := {' '.join(verb.name for verb in verbs)}\n.PHONY: $({variable})\n"


def _rules(verbs: Iterable[Verb]) -> str:
    return "".join(map(_rule, verbs))


def _rule(verb: Verb) -> str:
    if not verb.calls:
        return f"\n{verb.name}: ## {verb.help}\n"
    needed = f"$(VENV)/.stamp-{verb.extra}" if verb.extra else "$(SETUP)"
    return f"\n{verb.name}: {needed} ## {verb.help}\n\t@$(RUN) {verb.name} .\n"


def _settings() -> str:
    return (
        _list("What may be given on the command line, or come from the environment.", "SETTINGS", _names(HostSettings))
        + _list("What make predict hands on to the server.", "SERVER", PASSED_ON)
        + _list("What the verbs about runs listen to.", "EXPERIMENTS", _names(ExperimentSettings))
        + _list("What trains on computes listens to.", "COMPUTE_SETTINGS", _names(ComputeSettings))
        + _list("What make compute-add listens to.", "NEW_COMPUTE", _names(NewComputeSettings))
        + _list("What pushes images listens to.", "REGISTRY_SETTINGS", _names(RegistrySettings))
        + _list("What reads data stores listens to.", "DATA", _names(DataSettings))
        + _list("What the retrain service listens to.", "RETRAIN", _names(RetrainSettings))
        + _list("What asks the retrain service listens to.", "RETRAIN_CLIENT", _names(ClientSettings))
        + _list("What a CI server calls listens to.", "CI_SETTINGS", _names(CiSettings))
        + _list(
            "What the verbs that write model directories, and that name data stores, listen to.",
            "SCAFFOLD",
            [*_names(ScaffoldSettings), *_names(StoreSettings)],
        )
        + _list(
            "What make configure and make prepare listen to.",
            "PACKAGES",
            dict.fromkeys([*READS["configure"], *_names(PackageSettings)]),
        )
    )


def _names(settings: type[FromEnvironment]) -> list[str]:
    return [name for declared in fields(settings) for name in given_to_make(declared)]  # type: ignore[arg-type]


def _list(comment: str, variable: str, names: Iterable[str]) -> str:
    text = textwrap.fill(f"{variable} := {' '.join(names)}", 98, break_long_words=False, break_on_hyphens=False)
    return f"# {comment}\n" + text.replace("\n", " \\\n\t") + "\n"


def _table() -> str:
    places: dict[Where, str] = {MODEL: "a model", ALL: "an `all/`", TOP: "the top"}
    rows = [(verb, ", ".join(name for where, name in places.items() if where in verb.where)) for verb in VERBS]
    lines = [f"| `{verb.name}` | {where} | {verb.help.replace('<', '&lt;')} |\n" for verb, where in rows if where]
    return "| verb | of | what it does |\n| --- | --- | --- |\n" + "".join(lines)


def main() -> None:
    for path, text in generated().items():
        path.write_text(text)


if __name__ == "__main__":
    main()
