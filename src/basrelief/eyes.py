"""Settings of what areas are looked at by beside LIDAR, and what such eyes may be called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from basrelief.values import Name, PathText, StrictTable

KNOWN_BESIDES = ("heights", "pictures", "lidar", "mean", "place", "district", "size")
"""What can be known of areas beside tables, and what is predicted without any: no table is called
so."""


class TableSettings(StrictTable):
    """A table of what else is known of areas, by their codes: an eye beside LIDAR."""

    file: PathText
    """CSV or XLSX, read as the table of labels is."""

    columns: Annotated[list[Name], Field(min_length=1, max_length=1000)] | None = None
    """Columns to learn from: numbers, by their headings. Of the last release of an index by default
    the scores that are recognised."""

    role: Literal["last_release"] | None = None
    """``last_release``: what was published before of what is to be predicted."""

    area_column: Name | None = None
    """Column of the area codes, only where it cannot be recognised."""

    by_code: bool = False
    """For a table of another census that ``data.lookup`` does not lead from: areas that kept their
    code are taken, and the others are unknown."""

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        if self.columns is None and self.role is None:
            raise ValueError('columns missing: name those to learn from, as columns = ["..."]')
        for name in self.columns or ():
            if (self.columns or []).count(name) > 1:
                raise ValueError(f"columns: {name!r} stands twice")
        return self


def name_eye(key: str) -> str:
    """Name the eye that a table is, by its key in ``[data.tables]``: as recipes are written.

    Examples
    --------
    >>> name_eye("last_release")
    'last-release'
    """
    return key.replace("_", "-")


def find_name_fault(keys: Sequence[str]) -> str | None:
    """Say which key of ``[data.tables]`` cannot be called so; None where all can.

    Examples
    --------
    >>> find_name_fault(["census", "Census"])
    "two are called 'census' ('census' is one of them)"
    """
    names = [name_eye(key).lower() for key in keys]
    for name, key in zip(names, keys, strict=True):
        # Not every disk tells capitals from small letters, and each has a file.
        if names.count(name) > 1:
            return f"two are called {name!r} ({key!r} is one of them)"
        if name in KNOWN_BESIDES:
            return (
                f"{key!r} is the name of something else that can be known of areas "
                f"({', '.join(KNOWN_BESIDES)}). Give the table another"
            )
    return None
