"""The processes of a daemon: what starts and watches them, and what they share."""
