"""A step of a release, before the version moves on: ``python -m tools.keep_templates``.

What it writes is committed. Without it, monorepos made by this version cannot be upgraded by the next.
"""

from trainyard.host.scaffold.templates import keep_version

if __name__ == "__main__":
    keep_version()
