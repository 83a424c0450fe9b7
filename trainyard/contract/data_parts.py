"""Which rows of its dataset a training measures on: one word in the payload, the same word in records and runs.

A tuning chooses by the validation part. The test part is for the final model and for the contest with the champion: no
trial learns from it, and none is measured on it.
"""

from __future__ import annotations

MEASURE_ON = "measure_on"  # of the payload
MEASURED_ON = "measured_on"  # of a record, and a tag of a run
VALIDATION, TEST = "validation", "test"
