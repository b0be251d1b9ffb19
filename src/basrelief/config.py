"""Settings: one TOML file, one typed model a stage, unknown keys refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, PrivateAttr, ValidationError, model_validator

from basrelief.eyes import (
    OVERLAYS,
    EmbeddingSettings,
    OverlaySettings,
    PhotoSettings,
    StreetSettings,
    TableSettings,
    find_name_fault,
    name_eye,
)
from basrelief.names import find_target_fault
from basrelief.stage_settings import (
    ChipSettings,
    EvaluateSettings,
    ModelSettings,
    PublishSettings,
    SplitSettings,
)
from basrelief.toml import Change, change_table, read_toml, show, tell_missing, tell_typed
from basrelief.typed import Typed
from basrelief.values import (
    FolderName,
    Name,
    PathText,
    SettingsFile,
    StrictTable,
    Text,
    Year,
    check_path,
)

OF_RASTERS = ("dtm", "max_years_apart")
"""Keys of ``[data]`` that say nothing without rasters of heights, beside layers laid over them."""


DataKind = Literal["pictures", "heights", "tables"]
"""What a run learns from first; of ``tables`` alone there are areas, and no chip."""


def _forget_default(entry: dict[str, JsonValue]) -> None:
    # A file's default depends on its name.
    del entry["default"]


class InputError(Exception):
    """The user's input is at fault. The message is one line that says what would work."""


class DataSettings(StrictTable):
    """Where the data are: pictures and a table; or boundaries and labels with rasters or tables."""

    images: PathText | None = None
    """Folder of PNG pictures (route 1)."""

    table: PathText | None = None
    """Table with one row a picture (route 1)."""

    dsm: PathText | None = None
    """Glob of surface rasters (route 2)."""

    dtm: PathText | None = None
    """Glob of terrain rasters; without it the ground is estimated from the surface."""

    crs: Text | None = None
    """CRS of rasters, or without any of boundaries, that carry none: ``EPSG:27700``."""

    areas: PathText | None = None
    """Polygons of the small areas (route 2)."""

    labels: PathText | None = None
    """Table of deprivation scores by area (route 2)."""

    photo: PhotoSettings | None = None
    """A photo of the place besides (route 2)."""

    embedding: EmbeddingSettings | None = None
    """Precomputed embeddings of the place besides (route 2)."""

    street: StreetSettings | None = None
    """Pictures from the street besides (route 2)."""

    lookup: PathText | None = None
    """Lookup of the ONS from LSOAs of 2011 to those of 2021, where tables and boundaries are of
    different censuses."""

    crime: PathText | None = None
    """Glob of tables of crime by area: one file a category with yearly columns, the Metropolitan
    Police's with monthly ones, counts in rows, or police.uk's single crimes."""

    crime_years: Annotated[list[Year], Field(min_length=1, max_length=100)] | None = None
    """Years whose counts are averaged; by default the last three complete ones that were not
    lockdown years (2020, 2021)."""

    targets: Annotated[list[Name], Field(min_length=1, max_length=200)] | Literal["all"] = Field(
        default=["crime"]
    )
    """Columns to predict, by short name or as the table calls them. ``"all"``, alone or in the
    list, is the IMD, its seven domains and the categories of ``crime``."""

    counts: Annotated[list[Name], Field(max_length=200)] = Field(default=[])
    """Targets that count cases: learnt as rates per 1,000 of the people in the table of labels."""

    label_year: Year | None = None
    """Year that the labels speak of; by default that of the people in their table."""

    max_years_apart: Annotated[int, Field(ge=0, le=100)] | None = None
    """Areas flown farther from that year, or nobody knows when, are left out; by default none."""

    area_column: Name | None = None
    """Column of the area codes, only where it cannot be recognised."""

    label_column: Name | None = None
    """Column of the area codes in the table of labels, only where it cannot be recognised."""

    tables: dict[FolderName, TableSettings] = Field(default={}, max_length=20)
    """What else is known of areas, a table each, by a name of the user's (route 2)."""

    @property
    def has_rasters(self) -> bool:
        """Whether there are rasters of heights."""
        return self.dsm is not None

    @property
    def kind(self) -> DataKind:
        """What is learnt from first; ``tables`` where nothing looks at the ground."""
        if self.has_rasters:
            return "heights"
        return "pictures" if self.areas is None else "tables"

    @property
    def overlays(self) -> dict[str, OverlaySettings]:
        """What is laid beside heights, by the names of the layers; keys of ``[data]`` as well."""
        given = {name: getattr(self, name) for name in OVERLAYS}
        return {name: asked for name, asked in given.items() if asked is not None}

    @model_validator(mode="after")
    def _check_route(self) -> Self:
        pictures = {"images": self.images, "table": self.table}
        rasters = {"dsm": self.dsm, "areas": self.areas, "labels": self.labels}
        # Tables can be all that is learnt from.
        if self.tables and not self.has_rasters:
            del rasters["dsm"]
        has_pictures, has_rasters = any(pictures.values()), any(rasters.values())
        # Neither, or both: of both it would be a guess which of them is meant.
        if has_pictures == has_rasters:
            raise ValueError(
                "give either images and table (pictures), or areas and labels with dsm (rasters), "
                "tables, or both"
            )
        route = pictures if has_pictures else rasters
        missing = [name for name, value in route.items() if value is None]
        if missing:
            given = next(name for name in route if name not in missing)
            # Either makes a run of areas.
            named = ["dsm (or tables)" if name == "dsm" else name for name in missing]
            raise ValueError(f"{', '.join(named)} missing beside {given}")
        beside = [*self.overlays, *(["street"] if self.street is not None else [])]
        if has_pictures and beside:
            name = beside[0]
            raise ValueError(f"{name} needs rasters of heights: nobody knows where pictures lie")
        if has_rasters and not self.has_rasters:
            asked = {name: getattr(self, name) for name in (*OF_RASTERS, *beside)}
            stray = next((name for name, value in asked.items() if value is not None), None)
            if stray is not None:
                raise ValueError(f"{stray} needs rasters of heights: add dsm, or take it out")
        return self

    @model_validator(mode="after")
    def _check_targets(self) -> Self:
        targets = [] if self.targets == "all" else list(dict.fromkeys(self.targets))
        fault = find_target_fault(targets)
        if fault is not None:
            raise ValueError(f"targets: {fault}")
        stray = next((name for name in self.counts if name not in targets), None)
        if stray is not None:
            raise ValueError(f"counts: {stray!r} is none of the targets; add it to targets")
        if self.counts and self.kind == "pictures":
            raise ValueError("counts need people by area, and pictures are not learnt from by area")
        if self.crime_years is not None and self.crime is None:
            raise ValueError("crime_years needs crime, the files of counts")
        return self

    @model_validator(mode="after")
    def _check_tables(self) -> Self:
        if self.tables and self.kind == "pictures":
            raise ValueError(
                "tables are of areas, and pictures are not learnt from by area: give areas and "
                "labels instead, with rasters (dsm) or without"
            )
        fault = find_name_fault(list(self.tables))
        if fault is not None:
            raise ValueError(f"tables: {fault}")
        return self


class Settings(SettingsFile):
    """All settings of a run, as read from one TOML file."""

    out: PathText = Field(default="run", json_schema_extra=_forget_default)
    """The run folder; by default in ``runs``, by the configuration file's name."""

    # scikit-learn takes no other number for a seed.
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 251238730
    """Everything random starts from it. The default is the coursework's."""

    data: DataSettings
    chips: ChipSettings = ChipSettings()
    split: SplitSettings = SplitSettings()
    models: ModelSettings = ModelSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    publish: PublishSettings = PublishSettings()

    @model_validator(mode="after")
    def _check_schemes(self) -> Self:
        if self.data.kind == "tables" and "random" in (self.split.schemes or ()):
            raise ValueError("split.schemes: 'random' deals chips, and without rasters are none")
        return self

    _is_of_options: bool = PrivateAttr(default=False)
    _changes: tuple[Change, ...] = PrivateAttr(default=())

    def tell_out(self) -> str:
        """Name the run folder as it was typed."""
        is_changed = any(change.keys == ("out",) for change in self._changes)
        return f"--set out={self.out!r}" if is_changed else f"out = {self.out!r}"

    def typed(self, key: str) -> Typed:
        """Give a path or pattern of ``[data]``, or of a table in it, as it was typed."""
        value = attrgetter(key)(self.data)
        assert value is not None
        named = Typed(key, value, Path(), self._is_of_options, self._find_changed("data"))
        return self._place(named)

    def typed_table(self, eye: str, key: str = "file") -> Typed:
        """Give a path of a table of ``[data.tables]`` as it was typed, by the eye's name."""
        name = next(name for name in self.data.tables if name_eye(name) == eye)
        value = getattr(self.data.tables[name], key)
        changed = self._find_changed("data", "tables", name)
        section = f"data.tables.{name}"
        return self._place(Typed(key, value, Path(), self._is_of_options, changed, section))

    def find_table(self, eye: str) -> TableSettings:
        """Give the settings of the table that an eye is."""
        return next(table for name, table in self.data.tables.items() if name_eye(name) == eye)

    @property
    def table_eyes(self) -> list[str]:
        """Names of the eyes that are tables, in the order typed."""
        return [name_eye(name) for name in self.data.tables]

    def _find_changed(self, *section: str) -> frozenset[str]:
        """Find the keys of a table of the configuration that ``--set`` gave."""
        n = len(section)
        return frozenset(c.keys[n] for c in self._changes if c.keys[:n] == section and c.keys[n:])

    def _place(self, named: Typed) -> Typed:
        """Give what was typed its place on the disk."""
        value = named.value
        try:
            # What is given as an option has not been checked as a configuration is.
            path = self.locate(check_path(value))
        except ValueError as error:
            raise InputError(f"{named.name()}: {error} (found {show(value)}).") from error
        return replace(named, path=path)


def read_settings(path: Path) -> Settings:
    """Read the settings that a run resolved (``config.json``).

    A run folder does not know where its configuration lies: no path in them leads anywhere.
    """
    settings = Settings.model_validate_json(path.read_text(encoding="utf-8"))
    settings._folder = path.parent / "nowhere"
    return settings


def load_settings(path: Path | str, changes: Sequence[str] = ()) -> Settings:
    """Read and check a configuration file.

    Parameters
    ----------
    path
        A TOML file. Paths inside it are relative to its folder.
    changes
        What stands instead of what the file says: ``key=value`` each, as ``--set`` takes it.

    Raises
    ------
    InputError
        If the file is missing, is not TOML, or has a key or value that is not allowed.
    """
    path = Path(path)
    try:
        table = read_toml(path)
    except ValueError as error:
        raise InputError(f"{path}: {error}.") from error
    # By the file's name, so that two configurations in one folder do not share a run.
    table.setdefault("out", f"runs/{path.stem}")
    try:
        changed = change_table(table, changes)
    except ValueError as error:
        raise InputError(f"{error}.") from error
    try:
        # As text: a date, which TOML knows and no key wants, is then told as a wrong value.
        settings = Settings.model_validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        if error.errors()[0]["loc"] == ("data",) and "data" not in table:
            cure = (
                "Add one with images and table (pictures), or with areas and labels and dsm "
                "(rasters), tables, or both"
            )
            raise InputError(f"{path}: {tell_missing(error, 'data', cure)}.") from error
        raise InputError(f"{tell_typed(error, Settings, str(path), changed)}.") from error
    # What is read and cannot be written: a number with thousands of digits in base 16, and tables
    # as deep as their heading is long.
    except (ValueError, RecursionError) as error:
        what = "a number has too many digits, or tables lie too deep in each other"
        raise InputError(f"{path}: {what}.") from error
    settings._folder = path.resolve().parent
    settings._changes = changed
    return settings
