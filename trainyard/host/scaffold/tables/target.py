"""What a model is to predict: a column of the table, and whether it is a class or a quantity."""

from __future__ import annotations

from trainyard.contract.columns import NUMBER
from trainyard.errors import TrainyardError
from trainyard.host.scaffold.tables.table_profile import TableProfile

CLASSIFICATION, REGRESSION = "classification", "regression"
TASKS = (CLASSIFICATION, REGRESSION)
LEAST_OF_CLASS = 4  # one for each part that is held out, two to learn from
MOST_CLASSES = 20  # of numbers: more of them are a quantity
MOST_TEXT_CLASSES = 200


def guess_target(found: TableProfile) -> str:
    """The column that is probably to be predicted: one with a usual name, else the last that says anything."""
    usual = [name for name in found.names if name.casefold() in ("target", "label", "y", "class", "outcome")]
    saying = [column.name for column in found.columns if column.name in found.names and not column.is_constant]
    return (usual or saying[-1:] or found.names[-1:])[0]


def task_of(found: TableProfile, target: str, wanted: str = "") -> str:
    """Whether ``target`` is a class or a quantity; ``wanted`` decides where it can be both.

    Raises:
        TrainyardError: it is neither, or not what is wanted.
    """
    column, where = found.column(target), f"{found.path}: the column {target!r}"
    other = "name another by TARGET"
    if wanted and wanted not in TASKS:
        raise TrainyardError(f"TASK={wanted}: no such task", f"say TASK={' or '.join(TASKS)}")
    values = found.present(target)
    if not values:
        raise TrainyardError(f"{where} has no values", other)
    if len(values) == 1:
        raise TrainyardError(f"{where} has the same value in every row, {next(iter(values))!r}", other)
    many = len(values) > min(MOST_CLASSES, values.total() / LEAST_OF_CLASS)
    quantity = column.kind == NUMBER and (many or not column.is_whole)
    task = wanted or (REGRESSION if quantity else CLASSIFICATION)
    if task == REGRESSION:
        if column.kind != NUMBER:
            fix = column.nearly or f"say TASK={CLASSIFICATION}, or {other}"
            raise TrainyardError(f"{where} holds no numbers", fix)
        return task
    if len(values) > MOST_TEXT_CLASSES:
        raise TrainyardError(
            f"{where} has {len(values):,} classes, more than {MOST_TEXT_CLASSES}", column.nearly or other
        )
    rare = [text for text, count in values.items() if count < LEAST_OF_CLASS]
    if rare:
        more = f" and {len(rare) - 1} more" if rare[1:] else ""
        fix = f"add rows or join classes{', or say TASK=' + REGRESSION if column.kind == NUMBER else ''}"
        what = f"fewer than {LEAST_OF_CLASS} rows are of the class {rare[0]!r}{more}"
        raise TrainyardError(f"{where}: {what}", column.nearly or fix)
    return task
