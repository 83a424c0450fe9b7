"""Draws what a run left of itself: PNGs of its evaluation and of its metrics by step. Imports matplotlib, so late.

Without pyplot, which keeps figures and looks for a screen. Names are drawn as they are: a `$` in one is no formula.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from trainyard.host.experiments.metrics_log import Point

WIDTH, HEIGHT, DPI = 4.8, 3.6, 160  # small in inches: the text is still read on a phone, where a picture is 350 wide
MOST_CURVES, MOST_COMPARED = 4, 12  # pictures of metrics by step: of one run, of several side by side
MOST_BARS = 12
LONGEST = 24  # letters of a name
# Distinct with any kind of colour vision, and on paper.
COLOURS = (
    "#0f6b5c", "#d1602b", "#3b6fb6", "#b3589a", "#8a6d00", "#5a4fa2", "#2e9ac4", "#a23b3b", "#6b8f23", "#555555",
)  # fmt: skip
STYLE: Any = {
    "text.parse_math": False, "font.size": 10, "axes.titlesize": 11, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#56615d",
    "axes.labelcolor": "#1b2220", "text.color": "#1b2220", "xtick.color": "#56615d", "ytick.color": "#56615d",
    "axes.grid": True, "grid.color": "#e3e8e6", "axes.axisbelow": True, "legend.fontsize": 8,
    "legend.framealpha": 0.85, "legend.edgecolor": "#d8dedb", "axes.prop_cycle": cycler(color=COLOURS),
}  # fmt: skip
Content = Mapping[str, Any]


@dataclass(frozen=True)
class Plot:
    """A picture, and what it tells those who do not see it."""

    name: str
    description: str
    png: bytes


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """In here pictures are drawn as ours are."""
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that the font lacks: they are drawn as boxes
        yield


def draw(evaluation: Content, points: Sequence[Point]) -> list[Plot]:
    """Everything that there is something to draw of."""
    with styled():
        return [*_learning_curves(points), *_of_evaluation(evaluation)]


def draw_side_by_side(points: Mapping[str, Sequence[Point]]) -> list[Plot]:
    """A picture for each metric with more than one step, a line for each of the runs that ``points`` are of."""
    names = sorted({point.name for found in points.values() for point in found})
    curves = {
        name: {run: [point for point in found if point.name == name and math.isfinite(point.value)]
               for run, found in points.items()}
        for name in names
    }  # fmt: skip
    with styled():
        return [
            picture(f"side_by_side_{number}", f"{short_name(name)} by step", _learning_curve, drawn)
            for number, (name, found) in enumerate(curves.items())
            if number < MOST_COMPARED
            and (drawn := {run: those for run, those in found.items() if len({point.step for point in those}) > 1})
        ]


def _of_evaluation(evaluation: Content) -> Iterator[Plot]:
    if evaluation.get("confusion"):
        yield picture("confusion", "Confusion matrix", _confusion, evaluation)
    if evaluation.get("curves"):
        yield picture("roc", "ROC curve", _roc, evaluation["curves"])
        yield picture("precision_recall", "Precision and recall", _precision_recall, evaluation["curves"])
        yield picture("calibration", "Calibration", _calibration, evaluation["curves"])
    if evaluation.get("estimates"):
        yield picture("estimates", "Estimates against the truth", _estimates, evaluation["estimates"])
    if evaluation.get("residuals"):
        yield picture("residuals", "Residuals", _residuals, evaluation["residuals"])
    if evaluation.get("importance"):
        yield picture("importance", "Importance of columns", bars, evaluation["importance"])


def _learning_curves(points: Sequence[Point]) -> Iterator[Plot]:
    """A picture for each metric with more than one step; `train_<metric>` is in the one of `<metric>`."""
    by_name: dict[str, list[Point]] = {}
    for point in points:
        by_name.setdefault(point.name, []).append(point)
    grouped: dict[str, dict[str, list[Point]]] = {}
    for name, found in sorted(by_name.items()):
        if len({point.step for point in found}) > 1:
            base = name.removeprefix("train_")
            grouped.setdefault(base if base in by_name else name, {})[name] = found
    for number, (name, curves) in enumerate(list(grouped.items())[:MOST_CURVES]):
        yield picture(f"learning_{number}", f"{short_name(name)} by step", _learning_curve, curves)


def picture(name: str, title: str, drawn: Callable[[Any, Any], str], content: Any) -> Plot:
    """``drawn`` draws into axes, and returns what is to be seen there."""
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.14, 0.15, 0.82, 0.75))
    description = drawn(axes, content)
    axes.set_title(title)
    png = io.BytesIO()
    figure.savefig(png, format="png", pil_kwargs={"compress_level": 4})
    return Plot(name, f"{title}: {description}", png.getvalue())


def _learning_curve(axes: Any, curves: Mapping[str, list[Point]]) -> str:
    for name, points in sorted(curves.items(), key=lambda item: item[0].startswith("train_")):
        steps = sorted(points, key=lambda point: point.step)
        axes.plot([p.step for p in steps], [p.value for p in steps], label=short_name(name))
    if len(curves) > 1:
        axes.legend()
    axes.set_xlabel("step")
    axes.locator_params(axis="x", integer=True)
    axes.margins(x=0.01)
    return ", ".join(f"{short_name(name)} ends at {points[-1].value:.4g}" for name, points in curves.items())


def _confusion(axes: Any, evaluation: Content) -> str:
    table, labels = evaluation["confusion"], [short_name(label, 12) for label in evaluation["labels"]]
    shares = [[count / max(1, sum(line)) for count in line] for line in table]
    axes.imshow(shares, cmap=_shades(), vmin=0, vmax=1, aspect="auto")
    size = len(labels)
    for row, line in enumerate(table):
        for column, count in enumerate(line):
            share = shares[row][column]
            text = f"{count}\n{share:.0%}" if size <= 4 else f"{count}"
            colour = "white" if share > 0.78 else "#1b2220"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=11 if size <= 4 else 8)
    longest = max(len(label) for label in labels)
    upright = size > 4 and longest * size > 30
    axes.set_xticks(range(size), labels, rotation=90 if upright else 0, fontsize=9 if size <= 5 else 8)
    axes.set_yticks(range(size), labels, fontsize=9 if size <= 5 else 8)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    left, below = 0.1 + 0.0135 * longest, 0.15 + (0.017 * longest if upright else 0)
    axes.set_position((left, below, 0.97 - left, 0.9 - below))
    right = sum(table[i][i] for i in range(size))
    return f"{right} of {sum(map(sum, table))} rows are labelled rightly"


def _roc(axes: Any, curves: Sequence[Content]) -> str:
    axes.plot([0, 1], [0, 1], color="#9aa5a1", linestyle="--", linewidth=1)
    _lines(axes, curves, "roc", "lower right")
    axes.set_xlabel("false positives")
    axes.set_ylabel("true positives")
    return _areas(curves, "roc")


def _precision_recall(axes: Any, curves: Sequence[Content]) -> str:
    if len(curves) == 1:
        axes.axhline(curves[0]["share"], color="#9aa5a1", linestyle="--", linewidth=1)
    _lines(axes, curves, "precision_recall", "lower left")
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    return _areas(curves, "precision_recall")


def _calibration(axes: Any, curves: Sequence[Content]) -> str:
    axes.plot([0, 1], [0, 1], color="#9aa5a1", linestyle="--", linewidth=1)
    for curve in curves:
        found = curve["calibration"]
        (line,) = axes.plot(found["x"], found["y"], linewidth=1, label=f"is {short_name(curve['label'])}")
        sizes = [6 + 120 * rows / sum(found["rows"]) for rows in found["rows"]]
        axes.scatter(found["x"], found["y"], s=sizes, color=line.get_color())
    if len(curves) > 1:
        axes.legend(loc="upper left")
    _unit_square(axes)
    axes.set_xlabel("mean score (a larger dot: more rows)")
    axes.set_ylabel("share that came true")
    return "how often it is so, by the score that it got"


def _estimates(axes: Any, estimates: Content) -> str:
    truth, predicted = estimates["truth"], estimates["predicted"]
    ends = [min(*truth, *predicted), max(*truth, *predicted)]
    axes.plot(ends, ends, color="#9aa5a1", linestyle="--", linewidth=1)
    axes.scatter(truth, predicted, s=12, alpha=0.55, linewidths=0)
    axes.set_xlabel("actual")
    axes.set_ylabel("predicted")
    return f"{len(truth)} rows, on the dashed line where the estimate is right"


def _residuals(axes: Any, residuals: Content) -> str:
    edges = residuals["edges"]
    axes.stairs(residuals["counts"], edges, fill=True)
    axes.axvline(0, color="#1b2220", linewidth=1)
    axes.set_xlabel("actual minus predicted")
    axes.set_ylabel("rows")
    return f"from {edges[0]:.4g} to {edges[-1]:.4g}"


def bars(axes: Any, importance: Content) -> str:
    names = [short_name(name) for name in importance["columns"][:MOST_BARS]]
    axes.barh(range(len(names)), importance["values"][:MOST_BARS], height=0.7)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(importance["kind"], fontsize=9)
    left = 0.04 + 0.0155 * max(len(name) for name in names)
    axes.set_position((left, 0.15, 0.96 - left, 0.75))
    return f"{', '.join(names[:3])} matter most"


def _lines(axes: Any, curves: Sequence[Content], kind: str, place: str) -> None:
    for curve in curves:
        axes.plot(curve[kind]["x"], curve[kind]["y"], label=f"{curve[kind]['area']:.3f}  {short_name(curve['label'])}")
    axes.legend(loc=place, title="area", title_fontsize=8)
    _unit_square(axes)


def _unit_square(axes: Any) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)


def _areas(curves: Sequence[Content], kind: str) -> str:
    return ", ".join(f"the area of {short_name(curve['label'])} is {curve[kind]['area']:.3f}" for curve in curves)


def _shades() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("shades", ["#f2f6f5", COLOURS[0]])


def short_name(name: object, longest: int = LONGEST) -> str:
    """A name of anybody's, as it is drawn."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in str(name)).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"
