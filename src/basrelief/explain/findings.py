"""What explaining found, in lists of records that each become a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from basrelief.explain.checks import Checked
from basrelief.run import Record, write_json

FILES = ("contributions", "tests", "controls", "curves", "kinds", "shares")


@dataclass(frozen=True)
class Findings:
    """Records of ``explain/<name>.json``, by name."""

    records: dict[str, list[Record]] = field(
        default_factory=lambda: {name: list[Record]() for name in FILES}
    )

    def add(self, name: str, recipe: str, records: Iterable[Record]) -> None:
        """Add records of one recipe to a file."""
        self.records[name].extend({"recipe": recipe} | record for record in records)

    def add_checked(self, recipe: str, found: Checked) -> None:
        """Add what the checks of one recipe's maps found."""
        self.add("tests", recipe, found.tests)
        self.add("controls", recipe, found.controls)
        self.add("curves", recipe, found.curves)

    def write(self, folder: Path) -> None:
        """Write every file, also those without a record."""
        for name, records in self.records.items():
            write_json(folder / f"{name}.json", records)
