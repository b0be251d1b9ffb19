"""Signals that ask the program to end: met as an exception, so that what it holds is let go."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

STOPPING = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that end the program: Ctrl-C, a shutdown, a closed terminal."""


class Stopped(BaseException):
    """A signal asks the program to end. No `Exception`: nobody on the way may take it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Raise `Stopped` within, where a signal asks the program to end."""
    # Of these one system has fewer than another.
    numbers = [getattr(signal, name) for name in STOPPING if hasattr(signal, name)]
    before = {number: signal.signal(number, _stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: object) -> None:
    # The second time ends the program as it would have without us.
    signal.signal(number, signal.SIG_DFL)
    raise Stopped(number)
