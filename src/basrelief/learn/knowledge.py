"""What a recipe knows of what it predicts, by codes: so that like can be compared with like."""

from __future__ import annotations

from collections.abc import Collection

from basrelief.chips import store
from basrelief.chips.store import Samples
from basrelief.config import Settings
from basrelief.eyes import OVERLAYS
from basrelief.learn import recipes
from basrelief.learn.gaussian_process import has_many
from basrelief.learn.recipe_files import find_members
from basrelief.learn.recipes import KrigedRecipe, NetworkRecipe, Recipe
from basrelief.splits.heldout import find_usable_areas

# An eye goes by the name of the layer that it looks at.
HEIGHTS, PICTURES, PHOTO, EMBEDDING = store.HEIGHTS, store.PICTURES, store.PHOTO, store.EMBEDDING
STREET, SIZE = store.STREET, "size"
# What is known of where an area lies goes by the name of the part that it adds.
PLACE, DISTRICT = recipes.PLACE, recipes.DISTRICT

LIDAR = (HEIGHTS, PICTURES)
"""What has to be flown for with a laser."""

LOOKS = (*LIDAR, *OVERLAYS, STREET)
"""What looks at the ground, whatever the user's tables are."""

UNSEEN = (PLACE, DISTRICT, SIZE)
"""What is known of an area without a look at it."""

CODES = (*LOOKS, *UNSEEN)
"""What can be known anywhere: LIDAR as ``heights`` or as ``pictures``, a ``photo`` from above, an
``embedding`` of such, pictures from the ``street``, ``place`` (coordinates), ``district`` (its
code), ``size`` (of the polygon). Any other code is an eye of the user's: a table by its name."""


def list_known(recipe: Recipe, samples: Samples, settings: Settings) -> tuple[str, ...]:
    """List what a recipe knows of the samples, as `CODES` and tables by their names.

    A recipe that joins place is given districts too; it knows them only where they count.
    """
    if isinstance(recipe, NetworkRecipe):
        if samples.kind == "pictures":
            return (PICTURES,)
        return (HEIGHTS, PHOTO) if recipe.choose_bands("heights") == "relief+photo" else (HEIGHTS,)
    known = {member.eye for member in find_members(recipe, settings)}
    if isinstance(recipe, KrigedRecipe):
        known.add(PLACE)
        if recipe.districts and counts_districts(samples):
            known.add(DISTRICT)
    return order_codes(known)


def find_eyes(codes: Collection[str]) -> tuple[str, ...]:
    """Find the eyes among codes of what is known: all that looks at an area itself.

    Examples
    --------
    >>> find_eyes(("place", "census", "heights"))
    ('heights', 'census')
    """
    return tuple(code for code in order_codes(codes) if code not in UNSEEN)


def counts_districts(samples: Samples) -> bool:
    """Say whether a process of place uses districts: where one is known, and areas are not many."""
    # Of many areas a process of place is fitted in two steps, and neither has districts.
    is_many = has_many(len(find_usable_areas(samples)))
    return "lad" in samples.areas and bool(samples.areas["lad"].notna().any()) and not is_many


def count_known_districts(samples: Samples) -> int:
    """Count the districts that the areas that can be learnt from lie in, as far as is known."""
    areas = samples.areas.set_index("area_id")
    if "lad" not in areas:
        return 0
    return int(areas.loc[find_usable_areas(samples).tolist(), "lad"].nunique())


def sees_lidar(codes: Collection[str]) -> bool:
    """Say whether what is known, as `CODES`, has to be flown for.

    Examples
    --------
    >>> sees_lidar(("heights", "place")), sees_lidar(("place",))
    (True, False)
    """
    return not set(LIDAR).isdisjoint(codes)


def order_codes(codes: Collection[str]) -> tuple[str, ...]:
    """Put codes in the order in which they are told: LIDAR, other looks, tables, and where it is.

    Examples
    --------
    >>> order_codes({"district", "heights", "place", "census", "photo"})
    ('heights', 'photo', 'census', 'place', 'district')
    """
    looks, where = (tuple(code for code in each if code in codes) for each in (LOOKS, UNSEEN))
    return (*looks, *sorted(set(codes) - set(CODES)), *where)
