"""Settings of servers from the file ``.env`` at the top of the monorepo, as containers are given them.

The names are those of our settings, and those that other programs have for them: MLFLOW_TRACKING_URI, webhook_url,
AZURE_STORAGE_ACCESS_KEY.
"""

from __future__ import annotations

from dataclasses import replace

from trainyard.errors import EXIT_FAILED, TrainyardError
from trainyard.host.network.package_indexes import read_settings
from trainyard.host.operations.session import Session
from trainyard.settings.own_process import callers_environment, give_to_programs

FILE = ".env"


def with_env_file(session: Session) -> Session:
    """The session with what ``.env`` says, too. What the environment or make's command line says wins; an empty value
    says nothing.

    Raises:
        TrainyardError: the file cannot be read.
    """
    from dotenv import dotenv_values

    path = session.repository.root / FILE
    if not path.is_file():
        return session
    try:
        # As container engines read it: a $ in a password is a $.
        found = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise TrainyardError(f"{path}: cannot be read ({error})", "", EXIT_FAILED) from None
    already = callers_environment()
    give_to_programs({name: value for name, value in found.items() if value and not already.get(name)})
    return replace(session, settings=read_settings(callers_environment()))
