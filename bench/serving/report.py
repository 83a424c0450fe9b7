"""The table, the ratios and the picture."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.serving.servers import BARE, NOT_PEERS, OTHER, OURS

COLORS = {OURS: "tab:orange", "trainyard, not compiled": "tab:orange", **dict.fromkeys(BARE, "tab:gray")}

Cell = tuple[str, int, int]  # model, rows, connections


@dataclass
class Measured:
    """All runs of one server: of each cell requests per second, p99 (ms) and processor time for each request
    (microseconds), and of each start seconds and MiB."""

    name: str
    per_second: dict[Cell, list[float]] = field(default_factory=dict)
    p99: dict[Cell, list[float]] = field(default_factory=dict)
    processor: dict[Cell, list[float]] = field(default_factory=dict)
    cold_start: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, list[float]] = field(default_factory=dict)
    errors: int = 0
    note: str = ""

    def rate(self, cell: Cell) -> float:
        return statistics.median(self.per_second[cell]) if self.per_second.get(cell) else 0.0

    def late(self, cell: Cell) -> float:
        return statistics.median(self.p99[cell]) if self.p99.get(cell) else float("inf")


def table(measured: list[Measured], cells: list[Cell]) -> str:
    """Markdown: one row a server, one column a cell; requests per second / p99 in ms."""
    return _by_cell(measured, cells, lambda one, cell: f"{one.rate(cell):,.0f} / {one.late(cell):.1f}")


def processor(measured: list[Measured], cells: list[Cell]) -> str:
    """Markdown: one row a server, one column a cell; microseconds of processor time for each request."""
    return _by_cell(measured, cells, lambda one, cell: f"{statistics.median(one.processor[cell]):,.0f}")


def _by_cell(measured: list[Measured], cells: list[Cell], value: Callable[[Measured, Cell], str]) -> str:
    titles = [f"{model} {rows}x{connections}" for model, rows, connections in cells]
    lines = [_row(["server", *titles]), _row(["---", *["--:"] * len(cells)])]
    lines += [_row([one.name, *(value(one, cell) if one.rate(cell) else "-" for cell in cells)]) for one in measured]
    return "\n".join(lines)


def starts(measured: list[Measured], models: list[str]) -> str:
    """Markdown: seconds from process start to the first good answer, and MiB of all processes after the load."""
    titles = [f"{model} start, s" for model in models] + [f"{model} memory, MiB" for model in models]
    lines = [_row(["server", *titles]), _row(["---", *["--:"] * len(titles)])]
    for one in measured:
        seconds = [f"{statistics.median(one.cold_start[m]):.2f}" if one.cold_start.get(m) else "-" for m in models]
        sizes = [f"{statistics.median(one.memory[m]):.0f}" if one.memory.get(m) else "-" for m in models]
        lines.append(_row([one.name, *seconds, *sizes]))
    return "\n".join(lines)


def verdict(measured: list[Measured], cells: list[Cell]) -> str:
    """Markdown: of each cell our rate over the best peer's and over the best floor's, and whether it is won."""
    by_name = {one.name: one for one in measured}
    ours, floors = by_name[OURS], [one for one in measured if one.name in BARE and one.errors == 0]
    peers = [one for one in measured if one.name not in NOT_PEERS and one.errors == 0]
    titles = ["cell", "best peer", "times its rate", "lowest p99 of a peer over ours", "best floor", "times that", ""]
    lines = [_row(titles), _row(["---"] * len(titles))]
    for cell in cells:
        best = max(peers, key=lambda one: one.rate(cell), default=None)
        floor = max(floors, key=lambda one: one.rate(cell), default=None)
        quickest = min((one.late(cell) for one in peers), default=float("inf"))
        won = best is None or (ours.rate(cell) > best.rate(cell) and ours.late(cell) < quickest)
        lines.append(
            _row(
                [
                    f"{cell[0]}, {cell[1]} row(s), {cell[2]} connection(s)",
                    best.name if best else "-",
                    f"{ours.rate(cell) / best.rate(cell):.1f}" if best and best.rate(cell) else "-",
                    f"{quickest / ours.late(cell):.1f}",
                    floor.name if floor else "-",
                    f"{ours.rate(cell) / floor.rate(cell):.2f}" if floor and floor.rate(cell) else "-",
                    "won" if won else "LOST",
                ]
            )
        )
    return "\n".join(lines)


def steadiness(measured: list[Measured], cells: list[Cell]) -> str:
    """The largest over the smallest of our own repeated runs, in its worst cell."""
    ours = next(one for one in measured if one.name == OURS)
    worst = max(max(ours.per_second[cell]) / min(ours.per_second[cell]) for cell in cells)
    return f"Our largest over our smallest of the repeated runs, worst cell: {worst:.2f}"


def against_checkout(measured: list[Measured], cells: list[Cell]) -> str:
    """Markdown: of each cell our rate over that of the other checkout; empty where none was measured."""
    by_name = {one.name: one for one in measured}
    if OTHER not in by_name:
        return ""
    lines = [_row(["cell", "rate over the other checkout's"]), _row(["---", "--:"])]
    for cell in cells:
        name = f"{cell[0]}, {cell[1]} row(s), {cell[2]} connection(s)"
        other = by_name[OTHER].rate(cell)
        lines.append(_row([name, f"{by_name[OURS].rate(cell) / other:.2f}" if other else "-"]))
    return "\n".join(lines)


def draw(measured: list[Measured], cells: list[Cell], path: Path) -> None:
    """Bars of requests per second, one panel a cell, on a logarithmic axis."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "trainyard", "svg.fonttype": "none"})  # small, and the same bytes every time
    from matplotlib import pyplot

    columns = 3
    rows = -(-len(cells) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(14, 2.6 * rows), squeeze=False)
    for axis, cell in zip(axes.flat, cells, strict=False):
        names = [one.name for one in measured if one.rate(cell)][::-1]
        values = [one.rate(cell) for one in measured if one.rate(cell)][::-1]
        bars = axis.barh(names, values, color=[COLORS.get(name, "tab:blue") for name in names])
        axis.bar_label(bars, labels=[f"{value:,.0f}" for value in values], padding=2, fontsize=7)
        axis.set_xscale("log")
        axis.set_xlim(right=max(values, default=1) * 4)
        axis.tick_params(labelsize=7)
        axis.set_title(f"{cell[0]}, {cell[1]} row(s) a request, {cell[2]} connection(s): requests/s", fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
