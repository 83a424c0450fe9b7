"""``python -m bench.serving``: every server, every model, interleaved, several times; a table and a picture."""

from __future__ import annotations

import itertools
import json
import os
import sys
from datetime import date
from pathlib import Path

import click

from bench.serving import report
from bench.serving.load import drive, need_wrk
from bench.serving.prepare import STATE, fit_pipeline, make_venv, read_rows, run, train, working_folder
from bench.serving.processes import DidNotStart, running
from bench.serving.report import Cell, Measured
from bench.serving.servers import SERVERS, Server, Setting, chosen, of_checkout

PORT = 7311
WARM_SECONDS = 1
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@click.command()
@click.option("--servers", default="", help="names, separated by ';' (default: all)")
@click.option("--models", default="lr,rf,xgb", show_default=True)
@click.option("--rows", "row_counts", default="1,100", show_default=True, help="rows of a request")
@click.option("--connections", default="1,16,64", show_default=True)
@click.option("--repeats", default=3, show_default=True)
@click.option("--seconds", default=3, show_default=True, help="of load in each cell")
@click.option("--checkout", type=click.Path(exists=True, path_type=Path), help="of another commit, to compare with")
@click.option("--out", default=str(STATE / "serving"), show_default=True, help="folder of the results")
def main(
    servers: str,
    models: str,
    row_counts: str,
    connections: str,
    repeats: int,
    seconds: int,
    checkout: Path | None,
    out: str,
) -> None:
    """Measure, print, and leave serving.md, serving.json and serving.svg in the folder of the results."""
    need_wrk()
    compared = chosen([name.strip() for name in servers.split(";") if name.strip()])
    compared += [of_checkout(checkout)] if checkout else []
    wanted = models.split(",")
    cells = [*itertools.product(wanted, map(int, row_counts.split(",")), map(int, connections.split(",")))]
    measured = {server.name: Measured(server.name) for server in compared}
    trainer = make_venv(next(server for server in SERVERS if server.name == "trainyard, not compiled"))
    needed = {server.venv_name for server in compared}
    venvs = {server.name: make_venv(server) for server in SERVERS if server.name in needed}
    parameters = {model: train(model, trainer) for model in wanted}
    steps = [*itertools.product(range(repeats), wanted, compared)]
    for number, (_, model, server) in enumerate(steps):
        _say(f"[{number + 1}/{len(steps)}] {server.name}, {model}")
        venv = venvs[server.venv_name]
        setting = Setting(
            model, venv, PORT, working_folder(server, model), fit_pipeline(server, venv, model, parameters[model])
        )
        _measure(server, setting, [cell for cell in cells if cell[0] == model], seconds, measured[server.name])
    _report([*measured.values()], cells, wanted, Path(out))


def _measure(server: Server, setting: Setting, cells: list[Cell], seconds: int, into: Measured) -> None:
    server.prepare(setting, run)
    env = {"PATH": f"{setting.venv / 'bin'}:{os.environ['PATH']}", "HOME": str(setting.folder), **server.env}
    env |= dict.fromkeys(ONE_THREAD, "1")  # two workers on two cores: more threads slow every server down
    env |= {"PIPELINE": str(setting.pipeline), "PORT": str(setting.port)}
    url = f"http://127.0.0.1:{setting.port}{server.url_path(setting.model)}"
    bodies = {}
    for count in {cell[1] for cell in cells} | {1}:
        rows, columns = read_rows(count)
        bodies[count] = json.dumps(server.body(rows, columns)).encode()
    try:
        with running(server.argv(setting), env, setting.folder, url, bodies[1]) as process:
            into.cold_start.setdefault(setting.model, []).append(process.cold_start)
            drive(url, bodies[1], 16, WARM_SECONDS)
            for cell in cells:
                before = process.processor_seconds()
                load = drive(url, bodies[cell[1]], cell[2], seconds)
                used = process.processor_seconds() - before
                into.errors += load.errors
                into.per_second.setdefault(cell, []).append(load.per_second)
                into.p99.setdefault(cell, []).append(load.p99)
                into.processor.setdefault(cell, []).append(used / max(load.requests, 1) * 1e6)
            into.memory.setdefault(setting.model, []).append(process.memory())
    except DidNotStart as error:
        into.note = "did not start"
        _say(f"{server.name} did not start: {error}")


def _report(measured: list[Measured], cells: list[Cell], models: list[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(
        [
            f"Measured on {date.today():%Y-%m-%d}, {os.cpu_count()} cores with the load. Cells: model, rows a request x"
            " connections; requests per second / p99 in ms, medians.",
            report.table(measured, cells),
            "Microseconds of processor time for each request, of all processes of the server:",
            report.processor(measured, cells),
            report.starts(measured, models),
            report.verdict(measured, cells),
            report.steadiness(measured, cells),
            *filter(None, [report.against_checkout(measured, cells)]),
            *(f"{one.name}: {one.errors} failed requests" for one in measured if one.errors),
            *(f"{one.name}: {one.note}" for one in measured if one.note),
        ]
    )
    (folder / "serving.md").write_text(text + "\n")
    by_cell = ("per_second", "p99", "processor")
    plain = [{**vars(one), **{name: _keyed(getattr(one, name)) for name in by_cell}} for one in measured]
    (folder / "serving.json").write_text(json.dumps(plain, indent=1))
    report.draw(measured, cells, folder / "serving.svg")
    print(text)
    _say(f"written to {folder}")


def _keyed(found: dict[Cell, list[float]]) -> dict[str, list[float]]:
    return {f"{model} {rows}x{connections}": values for (model, rows, connections), values in found.items()}


def _say(text: str) -> None:
    print(f"---> {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
