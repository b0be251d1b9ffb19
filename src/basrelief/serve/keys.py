"""Bearer keys: told once, kept as hashes, each with a tier and an end."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from basrelief.config import InputError
from basrelief.run import replacing
from basrelief.serve.tiers import Person, Tier, TierName

SECRET_BYTES = 32
PREFIX = "basrelief_"
"""What a key begins with, so that searches for lost secrets find it."""


@dataclass(frozen=True)
class Key:
    """What is kept of a key: not the key."""

    name: str
    tier: TierName
    sha256: str
    added: datetime
    expires: datetime

    @property
    def is_over(self) -> bool:
        """Whether the key opens nothing any more."""
        return datetime.now(UTC) >= self.expires


_KEYS = TypeAdapter(list[Key])


def read_keys(path: Path) -> list[Key]:
    """Read the keys of a file; none where there is no file.

    Raises
    ------
    InputError
        If it is no file of keys.
    """
    try:
        return _KEYS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValidationError) as error:
        raise InputError(
            f"{path}: no file of keys, as basrelief keys writes it. Move it away."
        ) from error


def add_key(path: Path, name: str, tier: TierName, days: int) -> str:
    """Add a key under a name that no other has.

    Returns
    -------
    The key itself, which is kept nowhere.

    Raises
    ------
    InputError
        If another key has the name.
    """
    keys = read_keys(path)
    if any(key.name == name for key in keys):
        raise InputError(f"keys add: there is a key called {name!r}. Revoke it, or take another.")
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    now = datetime.now(UTC).replace(microsecond=0)
    new = Key(name, tier, _hash(secret), now, now + timedelta(days=days))
    _write_keys(path, [*keys, new])
    return secret


def revoke_key(path: Path, name: str) -> None:
    """Take a key away.

    Raises
    ------
    InputError
        If no key has the name.
    """
    keys = read_keys(path)
    kept = [key for key in keys if key.name != name]
    if len(kept) == len(keys):
        known = ", ".join(key.name for key in keys) or "no key at all"
        raise InputError(f"keys revoke: no key is called {name!r}. There is {known}.")
    _write_keys(path, kept)


def _write_keys(path: Path, keys: list[Key]) -> None:
    with replacing(path) as part:
        # Nobody else's to read, from the first byte on.
        part.touch(mode=0o600)
        part.write_bytes(_KEYS.dump_json(keys, indent=1) + b"\n")


class KeyRing:
    """The keys that open a server, read again when their file changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._look: tuple[int, ...] | None = None
        self._keys: list[Key] = []
        # A file that is none is told as the server starts, and not to whoever asks first.
        self.read()

    def read(self) -> list[Key]:
        """Give the keys as they are now."""
        try:
            # At every question: a key that is revoked must not open anything until a restart.
            status = self.path.stat()
            look = (status.st_mtime_ns, status.st_size, status.st_ino)
        except FileNotFoundError:
            look = (0, 0, 0)
        if look != self._look:
            self._keys, self._look = read_keys(self.path), look
        return self._keys

    def find(self, secret: str) -> Person | None:
        """Find whose a key is; None where it opens nothing."""
        hashed, found = _hash(secret), None
        # All of them, each in the same time, so that nothing can be told from how long it takes.
        for key in self.read():
            if hmac.compare_digest(key.sha256, hashed) and not key.is_over:
                found = Person(f"key:{key.name}", Tier.named(key.tier))
        return found


def _hash(secret: str) -> str:
    # No slow hash: nobody guesses 32 random bytes.
    return hashlib.sha256(secret.encode()).hexdigest()
