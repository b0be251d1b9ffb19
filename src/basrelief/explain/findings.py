"""What explaining found, in lists of records that each become a file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from basrelief.explain.checks import Checked
from basrelief.explain.kind_claims import settle_kinds
from basrelief.run import Record, write_json

FILES = ("contributions", "tests", "controls", "curves", "kinds", "shares")


@dataclass(frozen=True)
class Findings:
    """Records of ``explain/<name>.json``, by name."""

    claimed: Mapping[str, Collection[str]] = field(default_factory=dict)
    """By recipe, targets for which the report claims that LIDAR is worth having by it."""

    records: dict[str, list[Record]] = field(
        default_factory=lambda: {name: list[Record]() for name in FILES}
    )

    def add(self, name: str, recipe: str, records: Iterable[Record]) -> None:
        """Add records of one recipe to a file."""
        self.records[name].extend({"recipe": recipe} | record for record in records)

    def add_kinds(self, recipe: str, records: Sequence[Record]) -> None:
        """Add what one recipe makes of kinds of ground: of all its targets, told together."""
        self.add("kinds", recipe, settle_kinds(records, self.claimed.get(recipe, ())))

    def add_checked(self, recipe: str, found: Checked) -> None:
        """Add what the checks of one recipe's maps found."""
        self.add("tests", recipe, found.tests)
        self.add("controls", recipe, found.controls)
        self.add("curves", recipe, found.curves)

    def write(self, folder: Path) -> None:
        """Write every file, also those without a record."""
        for name, records in self.records.items():
            write_json(folder / f"{name}.json", records)
