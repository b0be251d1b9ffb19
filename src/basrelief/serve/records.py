"""Records of what people of the custodian's tier took: appended to, a line each, a file a month."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

from basrelief.run import Record
from basrelief.serve.tiers import Person

MOST = 500
"""Lines that the page shows, the newest."""


class Records:
    """The records in one folder."""

    def __init__(self, folder: Path, keep_months: int) -> None:
        self.folder, self.keep_months = folder, keep_months
        self._month = ""

    def write(self, person: Person, path: str, status: int) -> None:
        """Append a line: when, who, what and whether it was had; never what was asked behind it.

        Raises
        ------
        OSError
            If it cannot be written: then nothing may be sent.
        """
        now = datetime.now(UTC)
        month = f"{now:%Y-%m}"
        if month != self._month:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._forget(now)
            self._month = month
        line = {"when": f"{now:%Y-%m-%dT%H:%M:%SZ}", "who": person.name, "what": path}
        text = json.dumps(line | {"status": status}, ensure_ascii=False) + "\n"
        # One write a line: lines of several processes do not mix.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        file = os.open(self.folder / f"{month}.jsonl", flags, 0o600)
        try:
            os.write(file, text.encode())
        finally:
            os.close(file)

    def read_last(self) -> list[Record]:
        """Read the newest lines, the newest first."""
        found: list[Record] = []
        for path in sorted(self._list_files(), reverse=True):
            lines = path.read_text(encoding="utf-8").splitlines()
            found += [json.loads(line) for line in reversed(lines)][: MOST - len(found)]
        return found

    def _list_files(self) -> list[Path]:
        # Whatever else lies in the folder is not ours, and must not be removed as too old.
        return [p for p in self.folder.glob("*.jsonl") if re.fullmatch(r"\d{4}-\d{2}", p.stem)]

    def _forget(self, now: datetime) -> None:
        """Remove the files of months that are kept no longer."""
        first = 12 * now.year + now.month - self.keep_months
        for path in self._list_files():
            year, month = map(int, path.stem.split("-"))
            if 12 * year + month < first:
                path.unlink()
