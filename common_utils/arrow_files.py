"""The older name of ``trainyard.contract.datasets.arrow_files``: the same module."""

import sys

from trainyard.contract.datasets import arrow_files

sys.modules[__name__] = arrow_files
