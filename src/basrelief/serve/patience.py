"""How long the server waits for a question: whoever sends none, or none to its end, is let go."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class PatientProtocol(H11Protocol):
    """HTTP as uvicorn speaks it, which would wait for ever for the first question to end."""

    patience_s = 30.0
    """Seconds in which a question must have come to its end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._end = self.loop.call_later(self.patience_s, self._let_go)

    def data_received(self, data: bytes) -> None:
        """Wait no longer once a question is whole."""
        super().data_received(data)
        # Bytes alone do not count: who sends one now and then would be waited for for ever.
        if self._is_answering and self._end is not None:
            self._end.cancel()
            self._end = None

    def on_response_complete(self) -> None:
        """Begin to wait for the next one."""
        super().on_response_complete()
        # The next question may have come already, and is being answered.
        if self._end is None and not self._is_answering:
            self._end = self.loop.call_later(self.patience_s, self._let_go)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nobody."""
        super().connection_lost(exc)
        if self._end is not None:
            self._end.cancel()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _let_go(self) -> None:
        if not self._is_answering:
            self.transport.close()


def wait_at_most(patience_s: float) -> type[PatientProtocol]:
    """Give the protocol that waits so many seconds for a question."""
    # A class, as uvicorn makes one of it for each connection.
    return type("Patient", (PatientProtocol,), {"patience_s": patience_s})
