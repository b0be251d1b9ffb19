"""What a user typed for an input, as messages about it call it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Typed:
    """A setting of ``[data]`` as the user typed it, and as messages about it call it.

    What `basrelief predict` is given as options is read by the same functions as the keys of a
    configuration file; each is named as it was typed.
    """

    key: str
    """``dsm``, for example."""

    value: str
    path: Path
    """Where ``value`` points, its folder before it; a pattern stays a pattern."""

    is_option: bool = False
    changed: frozenset[str] = frozenset()
    """Keys of ``section`` that ``--set`` gave, and not the file."""

    section: str = "data"
    """The table of the configuration that the key stands in."""

    def __str__(self) -> str:
        between = " " if self.is_option else "=" if self.key in self.changed else " = "
        return f"{self.name()}{between}{self.value!r}"

    def name(self, key: str | None = None) -> str:
        """Call this setting, or another of the same place, as the user would.

        >>> dsm = Typed("dsm", "*.tif", Path("*.tif"), is_option=True)
        >>> dsm.name(), dsm.name("area_column"), str(dsm)
        ('--dsm', '--area-column', "--dsm '*.tif'")
        """
        key = key or self.key
        if self.is_option:
            # An option stands for a whole table: the rest of it is the model's.
            key = key.removesuffix(".files") if self.section == "data" else "table"
            # Of street pictures there are two: their folder, and --street-table.
            key = key.removesuffix(".folder").replace(".", "-")
            # A place to predict has the targets of its model, which nobody types.
            return "the model's targets" if key == "targets" else f"--{key.replace('_', '-')}"
        named = f"{self.section}.{key}"
        return f"--set {named}" if key in self.changed else named

    def beside(self, key: str, value: str) -> Typed:
        """Give what was typed for another setting of the same place."""
        return replace(self, key=key, value=value)

    def suggest(self, key: str, value: str) -> str:
        """Write another setting of the same place, ready to be copied."""
        return f'{self.name(key)}{" " if self.is_option else " = "}"{value}"'

    @property
    def origin(self) -> str:
        """What relative paths start from."""
        return "the working directory" if self.is_option else "the configuration file"
