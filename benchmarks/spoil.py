"""Bytes spoilt for `fuzz.py`: cut, flipped, spliced, or random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Attempt = Callable[[np.random.Generator], None]
"""Spoils a file anew and reads it."""

TOKENS = (
    b"-9999",
    b"nan",
    b"1e308",
    b"0",
    b"-",
    b"\x00",
    b"\xff\xff\xff\xff",
    b"{",
    b"<",
    b" ",
    b"\n",
)


def spoil(sound: bytes, rng: np.random.Generator) -> bytes:
    """Spoil bytes in one of five ways."""
    data = bytearray(sound)
    way = rng.integers(5)
    if way == 0:
        return bytes(data[: rng.integers(len(data))])
    if way == 1:
        return rng.bytes(int(rng.integers(1, 4096)))
    for _ in range(int(rng.integers(1, 20))):
        # Headers are short and decide much: half of the changes go there.
        at = int(rng.integers(len(data) if rng.random() < 0.5 else min(len(data), 512)))
        if way == 2:
            data[at] ^= 1 << int(rng.integers(8))
        elif way == 3:
            token = TOKENS[int(rng.integers(len(TOKENS)))]
            data[at : at + len(token)] = token
        else:
            length = int(rng.integers(1, 64))
            del data[at : at + length]
            if not data:
                return b""
    return bytes(data)
