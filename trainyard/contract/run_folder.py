"""The names in a run's folder that both halves know: a training writes by them, the host reads by them."""

from __future__ import annotations

MOUNT = "run"  # where a container that trains has the folder of its run
MOUNT_OF_ALL = "runs"  # where a worker of a tuning has those of all runs
METRICS = "metrics.jsonl"  # one line for each value that the training reported, written as it goes
TAGS = "tags.jsonl"  # likewise
LOG = "log.txt"  # all that it printed
EVALUATION = "evaluation.json"  # what the report is drawn from
RECORD = "record.json"  # the record of the binary that it wrote
LOCK = "requirements.lock"  # the lock of the image that it ran in
MODEL = "model"  # the binary itself, where the host has made a folder for it
SCORED = "scored"  # versions to score, each in a folder
SCORES = "scores.json"  # what came of that
