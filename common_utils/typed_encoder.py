"""The older name of ``trainyard.models.typed_encoder``: the same module."""

import sys

from trainyard.models import typed_encoder

sys.modules[__name__] = typed_encoder
