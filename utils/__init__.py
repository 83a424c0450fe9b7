"""Model binaries (``utils.binaries``) and a server for debugging a predict module (``utils.local_server``)."""
