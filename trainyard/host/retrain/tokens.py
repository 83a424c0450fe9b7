"""Tokens of the service. They are random and long, so that a plain SHA-256 of each is all that the database needs."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import Engine, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from trainyard.errors import TrainyardError
from trainyard.host.retrain.jobs.database import TOKENS, writing

PREFIX = "try_"  # tools that look for credentials find it by that
_AGE = re.compile(r"([1-9]\d{0,4})([hd])")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Scope(StrEnum):
    """What a token may do; each may what those before it may."""

    READ = "read"
    RETRAIN = "retrain"
    ADMIN = "admin"


@dataclass(frozen=True)
class Token:
    """A token as the database has it."""

    name: str
    scope: Scope
    expires: datetime

    def may(self, scope: Scope) -> bool:
        order = list(Scope)
        return order.index(self.scope) >= order.index(scope)


@dataclass(frozen=True)
class TokenStore:
    """All tokens."""

    engine: Engine

    def make(self, name: str, scope: str, age: str) -> str:
        """A new token; nobody can see it again.

        Raises:
            TrainyardError: the name is taken or none, the scope or the age is none that we know.
        """
        if not _NAME.fullmatch(name):
            raise TrainyardError(f"NAME={name}: not a name of a token", "use letters, digits, '.', '_' and '-'")
        if scope not in list(Scope):
            raise TrainyardError(f"SCOPE={scope}: no such scope", f"say {', '.join(Scope)}")
        token = PREFIX + secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        row = {"name": name, "sha256": _digest(token), "scope": scope, "created": now, "expires": now + _age(age)}
        try:
            with writing(self.engine) as connection:
                connection.execute(insert(TOKENS).values(row))
        except IntegrityError:
            raise TrainyardError(
                f"there is a token {name} already", f"choose another NAME, or make retrain-token NAME={name} EXPIRES=0"
            ) from None
        return token

    def revoke(self, name: str) -> bool:
        """Remove a token; False where there is none of that name."""
        with writing(self.engine) as connection:
            return connection.execute(delete(TOKENS).where(TOKENS.c.name == name)).rowcount == 1

    def there_are_some(self) -> bool:
        """Whether anybody has to show one; expired ones count, so that nothing opens by itself."""
        with self.engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(TOKENS)).scalar_one()) > 0

    def find(self, token: str) -> Token | None:
        """The token that was shown; None where it is unknown or has expired."""
        with self.engine.connect() as connection:
            found = connection.execute(select(TOKENS).where(TOKENS.c.sha256 == _digest(token))).one_or_none()
        if found is None or found.expires <= datetime.now(UTC):
            return None
        return Token(found.name, Scope(found.scope), found.expires)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


def _age(text: str) -> timedelta:
    if not (found := _AGE.fullmatch(text)):
        raise TrainyardError(f"EXPIRES={text}: not a time", "say, for example, EXPIRES=12h or EXPIRES=90d")
    count = int(found[1])
    return timedelta(hours=count) if found[2] == "h" else timedelta(days=count)
