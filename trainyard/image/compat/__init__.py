"""Stand-ins for modules that historical model code imports; last on ``sys.path``, so the real ones win."""
