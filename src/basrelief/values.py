"""Values that a configuration may hold: names, paths, lengths and texts, each with its bounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints

from basrelief.names import (
    compose,
    find_control_fault,
    find_fault,
    find_folder_fault,
    find_path_fault,
)

Year = Annotated[int, Field(ge=1900, le=2100)]


def _refuse(find: Callable[[str], str | None], what: str) -> AfterValidator:
    """Refuse a text in which a fault is found, and say what it was to be."""

    def check(text: str) -> str:
        fault = find(text)
        if fault is not None:
            raise ValueError(f"{what} {fault}")
        return text

    return AfterValidator(check)


Text = Annotated[
    str,
    StringConstraints(min_length=1, max_length=4096, strip_whitespace=True),
    _refuse(find_control_fault, "a text"),
]


def check_path(path: str) -> str:
    """Give a path or pattern back if it can be one.

    Raises
    ------
    ValueError
        Says why it cannot.
    """
    fault = find_path_fault(path)
    if fault is not None:
        raise ValueError(f"a path {fault}")
    try:
        Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError("there is no such user, or no home folder") from error
    return path


Prose = Annotated[str, StringConstraints(min_length=1, max_length=4096, strip_whitespace=True)]
"""Words for people, of as many lines as they like."""

# A table's headings are composed too: what looks the same is one name.
Name = Annotated[Text, AfterValidator(compose), _refuse(find_fault, "a name")]
"""What a person calls a target, or a column is called."""

FolderName = Annotated[Text, _refuse(find_folder_fault, "a recipe's name")]
"""What a person calls a recipe: its folder is called so."""

PathText = Annotated[Text, AfterValidator(check_path)]
"""A path or a pattern."""

Metres = Annotated[float, Field(allow_inf_nan=False, le=1_000_000)]
"""A length on the ground, at most as long as the largest country here."""


class StrictTable(BaseModel):
    """A table of the configuration file: immutable, and strict about its keys."""

    # The lines under the keys are what an editor shows of them.
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class SettingsFile(StrictTable):
    """A whole file of settings: paths typed in it are of its own folder."""

    _folder: Path = PrivateAttr(default=Path())

    def locate(self, typed: str) -> Path:
        """Resolve a path as typed in the file, relative to the file's own folder."""
        return self._folder / Path(typed).expanduser()
