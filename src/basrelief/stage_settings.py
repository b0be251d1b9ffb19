"""Settings of single stages: how chips are cut, folds made, recipes trained, and results told."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from basrelief.toml import find_dotted, format_value
from basrelief.values import Metres, Name, PathText, Prose, StrictTable

# From what leaks most to what leaks least: pages tell them in this order. Written twice, for a
# type checker takes no tuple for a list of literals.
SCHEMES = ("random", "area", "msoa", "lad", "block")
Scheme = Literal["random", "area", "msoa", "lad", "block"]

MIN_WORLDS = 40
"""Fewer cannot say that chance gives something less than once in twenty times."""


class ChipSettings(StrictTable):
    """How sources are cut into the squares a network sees."""

    # Backbones halve a picture five times.
    size_px: Annotated[int, Field(ge=32, le=1024, multiple_of=32)] = 224
    """Side of a chip, in pixels."""

    # No LIDAR that is published has finer cells than a quarter of a metre.
    resolution_m: Annotated[float, Field(ge=0.01, le=100)] = 1.0
    """Ground size of a pixel, in metres; rasters are resampled to it."""

    min_valid: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Smallest share of a chip's ground with data for a network to use the chip."""

    min_area_coverage: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Smallest share of an area's ground with data for the area to count."""

    @property
    def ground_m(self) -> float:
        """Side of a chip on the ground, in metres."""
        return self.size_px * self.resolution_m


class SplitSettings(StrictTable):
    """How folds are made."""

    schemes: Annotated[list[Scheme], Field(min_length=1)] | None = None
    """Schemes to run; by default every scheme that the data allow."""

    folds: Annotated[int, Field(ge=2, le=100)] = 10
    """Folds for area recipes; never more than there are groups."""

    repeats: Annotated[int, Field(ge=1, le=100)] = 3
    """How often the folds are drawn anew, for area recipes."""

    block_m: Annotated[Metres, Field(ge=1)] = 1000.0
    """Side of the squares that are held out together, in metres."""

    buffer_m: Annotated[Metres, Field(ge=0)] = 500.0
    """Smallest distance between training ground and a test area in scheme block, in metres."""


class ModelSettings(StrictTable):
    """Which recipes to run, with which weights, for how long."""

    recipes: Annotated[list[PathText], Field(min_length=1, max_length=100)] | None = None
    """Recipe names, or paths of recipe files; by default those that suit the data."""

    weights: dict[Name, PathText] = Field(default={})
    """Backbone name to a weights file, or ``"none"``; by default timm's, over the network."""

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where networks run."""

    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of networks; ``auto`` takes bf16 where this machine is faster with it."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Overrides every network recipe's number of epochs, for a quick look."""

    steps_per_epoch: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Overrides every network recipe's steps an epoch, for a quick look."""

    views: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Overrides every network recipe's number of views of each chip, drawn once; 0 draws anew at
    each step."""

    @field_validator("weights", mode="before")
    @classmethod
    def _check_weights(cls, typed: Any) -> Any:
        if isinstance(typed, str):
            raise ValueError(
                f"a table of backbones is wanted: weights = {format_value({'vgg16': typed})}"
            )
        # timm's names have dots, and people write them bare.
        dotted = find_dotted(typed) if isinstance(typed, dict) else None
        if dotted is not None:
            raise ValueError(
                f"a name with a dot needs quotes: weights = {format_value(dict([dotted]))}"
            )
        return typed


REFIT_REPEATS = 2
"""Repeats of the folds that are fitted anew to other worlds. More would halve what they differ by,
which is little beside what worlds differ by; with fewer than were run a spread is a little too
wide."""


class EvaluateSettings(StrictTable):
    """How far skills are tested against chance."""

    worlds: Annotated[int, Field(ge=0, le=10_000)] = 100
    """Other worlds of each kind whose labels every fold is fitted to anew, so that intervals hold
    what is to be expected and no gain is told that chance gives. 0: none, and no such claim."""

    @model_validator(mode="after")
    def _check_worlds(self) -> Self:
        if 0 < self.worlds < MIN_WORLDS:
            raise ValueError(
                f"worlds = {self.worlds} are too few to tell a gain from chance: give "
                f"{MIN_WORLDS} or more, or 0 for none"
            )
        return self


class PublishSettings(StrictTable):
    """What may be handed out, for the report's public version."""

    allow: Literal["areas", "chips", "nothing"] = "areas"
    """``areas``: figures of whole areas; ``chips``: heat maps over single chips too."""

    reason: Prose | None = None
    """Why single chips may be shown; recorded, and required for them."""

    authors: Annotated[list[Name], Field(min_length=1, max_length=50)] | None = None
    """Who made the run, as the public page names them."""

    contact: Annotated[Name, Field(max_length=200)] | None = None
    """Where the public can ask: an e-mail address, a web address, or words."""

    min_population: Annotated[int, Field(ge=0, le=1_000_000_000)] = 100
    """Fewest people behind a figure. The default is the smallest output area of the census
    of England and Wales (ONS): nothing is published there for fewer. 0: no such bound."""

    min_ground_covered: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Smallest share of an area's ground behind its figure. 0: no such bound."""

    @model_validator(mode="after")
    def _check_reason(self) -> Self:
        if self.allow == "chips" and self.reason is None:
            raise ValueError(
                'allow = "chips" publishes single pictures and needs a reason, which is recorded: '
                'add reason = "...", or use allow = "areas"'
            )
        return self
