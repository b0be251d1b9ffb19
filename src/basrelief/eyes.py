"""Settings of what areas are looked at by beside LIDAR, and what such eyes may be called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from basrelief.values import Name, PathText, Prose, StrictTable

COLOURS = ("red", "green", "blue")
"""What a network for photographs looks at, in its order; so are bands of photos and pictures."""

SECRETS = ("token", "key", "secret", "password")
"""Words in the names of keys by which services know their users: none belongs in a file."""


def refuse_band_twice(names: Sequence[str]) -> None:
    """Refuse a name of a band that stands twice, in capitals or not.

    Raises
    ------
    ValueError
        If one does.
    """
    lower = [name.lower() for name in names]
    twice = next((name for name in lower if lower.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"bands: {twice!r} is given twice")


class PhotoSettings(StrictTable):
    """A photo from above, of satellites or aeroplanes, beside rasters of heights."""

    files: PathText
    """Glob of GeoTIFFs of the place; what several show is the median of them."""

    bands: Annotated[list[Name], Field(min_length=3, max_length=100)]
    """Names of the bands: as the files describe theirs, or one for each that they have."""

    # Of other masks nobody knows which numbers are clouds.
    mask: Literal["SCL"] | None = None
    """Band of the files with Sentinel-2's scene classification: clouds, their shadows and what was
    saturated are left out."""

    scale: Annotated[float, Field(gt=0)] | None = None
    """What stored numbers are multiplied with, only where files do not say it: 0.0001 of
    Sentinel-2."""

    offset: float = 0.0
    """What is added then: -0.1 of Sentinel-2 from processing baseline 04.00 on (2022)."""

    resolution_m: Annotated[float, Field(ge=0.01, le=1000)] | None = None
    """Side of the cells that finer files are averaged to, in metres; by default their own."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        refuse_band_twice(self.bands)
        if self.offset and self.scale is None:
            raise ValueError("offset needs scale, which it is added after")
        return self


class EmbeddingSettings(StrictTable):
    """Precomputed embeddings of satellite pictures, many numbers a cell, beside heights."""

    files: PathText
    """Glob of GeoTIFFs of the place, of one model and one year."""

    coding: Literal["alphaearth"] | None = None
    """How numbers of 8 bits are decoded: those of AlphaEarth. By default they are taken as stored,
    which only fractions may be."""

    # A linear model on one number of an embedding would rest on an axis that means nothing.
    bands: Annotated[list[Name], Field(min_length=2, max_length=2000)] | None = None
    """Names of the bands, as files describe theirs; by default all that they have."""

    resolution_m: Annotated[float, Field(ge=0.01, le=1000)] | None = None
    """Side of the cells that finer files are averaged to, in metres; by default their own."""

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        refuse_band_twice(self.bands or ())
        return self


OverlaySettings = PhotoSettings | EmbeddingSettings
"""Settings of a layer beside heights, on a grid of its own: where its files are, and how their
numbers are read, which is the same wherever a model is used. Each has ``files``, ``bands`` and
``resolution_m``."""


class OverlayKind(NamedTuple):
    """What can be laid beside heights."""

    settings: type[PhotoSettings] | type[EmbeddingSettings]
    words: str
    """What sentences call it."""

    recipe: str
    """What looks at it where no recipe is asked for."""


OVERLAYS = {
    "photo": OverlayKind(PhotoSettings, "a photo", "dense-photo"),
    "embedding": OverlayKind(EmbeddingSettings, "embeddings", "embedding"),
}
"""By the names of their layers, which are keys of ``[data]`` as well."""

KNOWN_BESIDES = (
    *("heights", "pictures", *OVERLAYS, "street", "lidar"),
    *("mean", "place", "district", "size"),
)
"""What can be known of areas beside tables, and what is predicted without any: no table is called
so."""


class StreetSettings(StrictTable):
    """Pictures from the street with a place each, beside rasters of heights."""

    folder: PathText
    """Folder of the pictures, each called by its id."""

    table: PathText
    """Glob of tables of them: ``id``, ``longitude`` and ``latitude`` (or ``easting`` and
    ``northing``), and ``captured_at``; or as Mapillary, KartaView and Geograph give them."""

    # Of fewer than five, what is pooled is nearly what single pictures show.
    min_pictures: Annotated[int, Field(ge=5, le=10_000)] = 10
    """Fewest pictures that describe an area; one with fewer is predicted by what else is known."""

    keep_pixels: bool = False
    """Whether pictures, as networks see them, are kept in the run folder."""

    reason: Prose | None = None
    """Why they are; recorded, and required for it."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_secrets(cls, typed: Any) -> Any:
        # By hand: what an unknown key holds is told, and this must be nowhere.
        for key in typed if isinstance(typed, dict) else ():
            if any(word in str(key).lower() for word in SECRETS):
                raise ValueError(
                    f"{key}: what a service knows you by belongs in no file. Take it out, and give "
                    "it to basrelief fetch --street in the environment"
                )
        return typed

    @model_validator(mode="after")
    def _check_reason(self) -> Self:
        if self.keep_pixels and self.reason is None:
            raise ValueError(
                "keep_pixels = true keeps pictures of people's streets and needs a reason, which "
                'is recorded: add reason = "...", or leave it out'
            )
        return self


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
