"""The older name of ``trainyard.models.text_records``: the same module."""

import sys

from trainyard.models import text_records

sys.modules[__name__] = text_records
