"""The older name of ``trainyard.contract.datasets.text_records``: the same module."""

import sys

from trainyard.contract.datasets import text_records

sys.modules[__name__] = text_records
