"""``make bench-memory``: what the income models take in one server, by workers, shared between them and not.

Each server is started in a folder like that of the ``all`` image, loaded on every route, and measured: PSS of all of
its processes. See docs/serving.md.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import click

from bench.serving.load import drive, need_wrk
from bench.serving.prepare import STATE, make_venv, read_rows, train, working_folder
from bench.serving.processes import DidNotStart, Running, running
from bench.serving.servers import MODELS, PROJECT, ROOT, SERVERS, Server, lay_out

PORT = 7331
TARGET = 1.4  # times one worker, for two that share
CONNECTIONS = 16
LOCKS = ROOT / "projects" / PROJECT
NATIVE, COMPILED = "native", "compiled"
UNSHARED = "models are loaded in each worker and not shared: "


@dataclass(frozen=True)
class Case:
    """One server."""

    kind: str
    share: bool
    workers: int


@dataclass(frozen=True)
class Found:
    """What it took: MiB after the load, for each repeat; requests of the load; why it shared nothing, if so."""

    case: Case
    memory: list[float]
    requests: int
    note: str


def environments() -> dict[str, Server]:
    """What each kind is served with: the locks of the shipped models."""
    ours = SERVERS[0]
    both = [
        part for folder in ("xgBoost", "catBoost") for part in ("-r", str(LOCKS / folder / "requirements_train.lock"))
    ]
    return {
        COMPILED: ours,
        NATIVE: dataclasses.replace(ours, name="trainyard, four models", requirements=tuple(both)),
    }


def prepare(kinds: list[str], models: list[str]) -> dict[str, Path]:
    """Train the models, once; the virtual environment of each kind."""
    known = environments()
    venvs = {kind: make_venv(known[kind]) for kind in kinds}
    trainer = venvs.get(NATIVE) or make_venv(known[NATIVE] if "cat" in models else SERVERS[1])
    for model in models:
        train(model, trainer)
    return venvs


@click.command()
@click.option("--kinds", default=f"{COMPILED},{NATIVE}", show_default=True)
@click.option("--models", default=",".join(MODELS), show_default=True)
@click.option("--workers", "worker_counts", default="1,2,4", show_default=True)
@click.option("--share", "shares", default="1,0", show_default=True)
@click.option("--rows", default=1, show_default=True, help="rows of a request")
@click.option("--seconds", default=1, show_default=True, help="of load on each route")
@click.option("--repeats", default=1, show_default=True)
@click.option("--out", default=str(STATE / "memory"), show_default=True, help="folder of the results")
def main(
    kinds: str, models: str, worker_counts: str, shares: str, rows: int, seconds: int, repeats: int, out: str
) -> None:
    """Measure, print, and leave memory.md and memory.json in the folder of the results."""
    need_wrk()
    venvs = prepare(kinds.split(","), models.split(","))
    found = []
    for kind, share, workers in itertools.product(
        kinds.split(","), map(bool, map(int, shares.split(","))), map(int, worker_counts.split(","))
    ):
        case = Case(kind, share, workers)
        print(f"---> {kind}, SHARE={int(share)}, {workers} workers", file=sys.stderr, flush=True)
        found.append(measure(case, venvs[kind], rows, seconds, repeats, models.split(",")))
    _report(found, Path(out))


@contextlib.contextmanager
def start(case: Case, venv: Path, rows: int, models: list[str]) -> Iterator[tuple[Running, list[str], bytes]]:
    """The server that answers, the URL of each model's route, a body for them. Where it does not start, all ends."""
    body = json.dumps({"payload": {"instances": read_rows(rows)[0]}}).encode()
    folder = working_folder(SERVERS[0], f"memory-{case.kind}")
    lay_out(folder, models, STATE / "trained" / "models")
    env = {
        "PATH": f"{venv / 'bin'}:{os.environ['PATH']}", "HOME": str(folder), "PORT": str(PORT), "BIND": "127.0.0.1",
        "WORKERS": str(case.workers), "SHARE": str(int(case.share)), "COMPILED": str(int(case.kind == COMPILED)),
        "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1",
    }  # fmt: skip
    urls = [f"http://127.0.0.1:{PORT}/{MODELS[model][1]}/predict" for model in models]
    argv = [str(venv / "bin" / "python"), "-m", "trainyard.image.serve"]
    try:
        with running(argv, env, folder, urls[0], body) as server:
            yield server, urls, body
    except DidNotStart as error:
        sys.exit(f"error: {case}: {error}")


def measure(case: Case, venv: Path, rows: int, seconds: int, repeats: int, models: list[str]) -> Found:
    """Start it, load every route, look; ``repeats`` times."""
    memory, requests, note = [], 0, ""
    for _ in range(repeats):
        with start(case, venv, rows, models) as (server, urls, body):
            for url in urls:
                load = drive(url, body, CONNECTIONS, seconds)
                if load.errors:
                    sys.exit(f"error: {url}: {load.errors} failed requests")
                requests += round(load.per_second * seconds)
            memory.append(server.memory())
            log = server.log.read_text().splitlines()
        note = next((line.split(UNSHARED)[1] for line in log if UNSHARED in line), note)
    return Found(case, memory, requests // repeats, note)


def report(found: list[Found]) -> str:
    """A table: a line for each kind and way to share, a column for each number of workers."""
    counts = sorted({one.case.workers for one in found})
    cells = {one.case: statistics.median(one.memory) for one in found}
    lines = [
        f"| models | SHARE | {' | '.join(f'workers: {count}' for count in counts)} |",
        "| --- " * (len(counts) + 2) + "|",
    ]
    for kind, share in dict.fromkeys((one.case.kind, one.case.share) for one in found):
        first = cells[Case(kind, share, counts[0])]
        shown = [
            f"{cells[Case(kind, share, count)]:.0f} MiB ({cells[Case(kind, share, count)] / first:.2f})"
            for count in counts
        ]
        lines.append(f"| {kind} | {int(share)} | {' | '.join(shown)} |")
    return "\n".join(lines)


def verdicts(found: list[Found]) -> list[str]:
    """Whether two workers that share take at most ``TARGET`` times what one takes; why models were not shared."""
    cells = {one.case: statistics.median(one.memory) for one in found}
    lines = []
    for case, memory in cells.items():
        one = cells.get(dataclasses.replace(case, workers=1))
        if case.share and case.workers == 2 and one:
            mark = "reached" if memory <= TARGET * one else "MISSED"
            lines.append(f"{case.kind}: two workers take {memory / one:.2f} times one worker; {TARGET}: {mark}")
    lines += [f"{one.case.kind}: {UNSHARED}{one.note}" for one in found if one.note and one.case.share]
    return list(dict.fromkeys(lines))


def _report(found: list[Found], folder: Path) -> None:
    requests = min(one.requests for one in found)
    text = "\n\n".join(
        [
            f"Measured on {date.today():%Y-%m-%d}, {os.cpu_count()} cores. Sum of PSS over all processes after at least"
            f" {requests:,} requests in all; in brackets: times that of {found[0].case.workers} worker(s).",
            report(found),
            *verdicts(found),
        ]
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.md").write_text(text + "\n")
    plain = [{**vars(one), "case": vars(one.case)} for one in found]
    (folder / "memory.json").write_text(json.dumps(plain, indent=1) + "\n")
    print(text)
    print(f"---> written to {folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
