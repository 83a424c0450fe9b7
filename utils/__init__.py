"""Older names: of ``trainyard.models.binaries``, ``local_server`` and ``runs``."""
