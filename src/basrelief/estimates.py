"""What stages take in time, memory and disk, estimated from how much there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from basrelief.chips.store import HEIGHTS, Samples
from basrelief.config import Settings
from basrelief.learn.choice import choose_baselines, choose_recipes
from basrelief.learn.gaussian_process import MANY
from basrelief.learn.recipe_files import find_members
from basrelief.learn.recipes import (
    AreaRecipe,
    DenseRecipe,
    KrigedRecipe,
    NetworkRecipe,
    RandomRecipe,
    StackRecipe,
    StatisticsRecipe,
    StreetRecipe,
)
from basrelief.learn.training_recipes import count_batches
from basrelief.splits.folds import TEST_SHARE, VALIDATION_SHARE
from basrelief.splits.heldout import AREA_SCHEMES, find_usable_areas, find_usable_chips
from basrelief.stage_settings import REFIT_REPEATS

MACHINE = "two cores of an AMD EPYC with bf16, 24 GB, no GPU, with other work beside"
"""Where the figures of `SECONDS` were measured, in November 2026."""

SECONDS = {
    # Loading libraries, and reading boundaries and labels of a region.
    "beginning": 4.0,
    "loading networks": 4.0,
    "going on": 1.5,
    # Per million cells or pixels of chips.
    "cutting": 0.45,
    "picture": 0.003,
    "street picture": 0.01,
    "relief statistics": 0.35,
    "random features": 0.4,
    "dense features": 1.8,
    "explaining dense": 21.0,
    "maps": 0.1,
    # Per fold and recipe of areas; recipes that join others take more.
    "fitting": 0.03,
    "joining": 2.5,
    "judging": 0.012,
    # Per column of labels of a hundred areas, and fold and recipe: a target, or one in a world.
    "column": 0.00012,
    # Per chip that goes through a network, and of it a million pixels.
    "chip": 0.012,
    "network": 0.8,
    "building a network": 12.0,
    "explaining a chip": 0.08,
    "target of a report": 0.7,
}
"""Seconds on `MACHINE`, wall clock. On tq28ne (99 areas, 26.5 million cells) a run of four
recipes took 12 to 22 s for chips, 51 to 98 s for dense features and 165 to 191 s to train, 6.5
to 16.5 min to evaluate and 27 to 49 min to explain; with nothing beside, one of three recipes and
two tables 61 s to train, 4 min to evaluate and 6 min to explain. Networks are the least certain:
beside a dozen other processes one training of the coursework's took 90 s and the same again
224 s."""

MEGABYTES = {
    "beginning": 240,
    "cutting": 370,
    "learning": 1100,
    "dense or network": 1900,
    "explaining": 2600,
    "row of an area": 0.02,
}
"""Most memory at a time; tracts are of one size however large the place."""

DISK = {
    # Per million cells of chips, or pixels of pictures.
    "heights": 4.2,
    "pictures": 1.8,
    "contribution": 0.07,
    # Per fold and recipe of areas, of a hundred areas.
    "fold": 0.07,
    "predictions": 0.008,
    # Per recipe, area, target and scheme: what is left, and where it is ranked.
    "judged area": 0.0003,
    "dense backbone": 31.0,
    "report": 4.5,
}
"""Megabytes that stay in the run folder."""

BASE_AREAS = 100

N_BASELINES = 4
"""Place, place and district, district, and size: each is fitted to every world, as recipes are."""

KINDS, KINDS_AN_EYE = 4, 2
"""Kinds of worlds that everything is fitted to, and that each eye adds to a recipe of several:
what the others say is drawn, and is moved with the rest (`judge.worlds`)."""

STACK_FITS = 6
"""How often a stack fits each member: on everything, and on five inner folds that weigh it."""

PHOTO_CELL_M = 10.0


@dataclass(frozen=True)
class Estimate:
    """What a stage takes."""

    stage: str
    seconds: float
    memory_mb: float
    disk_mb: float


@dataclass(frozen=True)
class Amounts:
    """How much there is to do."""

    n_mpx: float
    """Millions of cells, or of pixels of pictures, in all chips."""

    n_items: int
    """Chips, or pictures."""

    n_usable_chips: int
    n_usable_areas: int
    n_targets: int
    n_folds: int
    """Of schemes of areas, over all repeats."""

    n_refit_folds: int
    """Those of them that are fitted anew to other worlds."""

    n_schemes: int
    """In which networks are trained."""

    has_rasters: bool
    n_street: int = 0
    """Pictures from the street that lie in the areas."""

    @property
    def growth(self) -> float:
        """How much longer a column of labels takes than one of `BASE_AREAS` areas."""
        n_areas = max(self.n_usable_areas, BASE_AREAS / 2)
        below = (min(n_areas, MANY) / BASE_AREAS) ** 1.25
        return float(below * max(n_areas / MANY, 1.0))

    @property
    def mpx_a_chip(self) -> float:
        """Millions of pixels of one chip."""
        return self.n_mpx / max(self.n_items, 1)


def measure_amounts(samples: Samples, folds: pd.DataFrame | None) -> Amounts:
    """Measure how much there is.

    Parameters
    ----------
    folds
        As ``splits/folds.parquet`` has them; None where there are none.
    """
    n_folds = n_refit_folds = n_schemes = 0
    if folds is not None:
        of_areas = folds[folds["scheme"].isin(AREA_SCHEMES)]
        each = of_areas[["scheme", "repeat", "fold"]].drop_duplicates()
        n_folds, n_refit_folds = len(each), int((each["repeat"] < REFIT_REPEATS).sum())
        n_schemes = int(folds["scheme"].nunique())
    return Amounts(
        n_mpx=len(samples.chips) * samples.size_px**2 / 1e6,
        n_items=len(samples.chips),
        n_usable_chips=len(find_usable_chips(samples)),
        n_usable_areas=len(find_usable_areas(samples)),
        n_targets=len(samples.targets),
        n_folds=n_folds,
        n_refit_folds=n_refit_folds,
        n_schemes=n_schemes,
        has_rasters=samples.has_places,
        n_street=int(samples.areas.get("street_pictures", pd.Series(dtype=int)).sum()),
    )


def estimate_data(amounts: Amounts) -> list[Estimate]:
    """Estimate what comes before folds: chips and describe."""
    size = amounts.n_mpx
    own = SECONDS["cutting"] * size if amounts.has_rasters else SECONDS["picture"] * amounts.n_items
    own += SECONDS["street picture"] * amounts.n_street
    kind = "heights" if amounts.has_rasters else "pictures"
    # Small places do not fill a tract.
    memory = MEGABYTES["beginning"] + MEGABYTES["cutting"] * min(1.0, 0.15 + size / 20)
    return [
        Estimate("chips", SECONDS["beginning"] + own, memory, DISK[kind] * size),
        Estimate("describe", SECONDS["beginning"] - 1, MEGABYTES["beginning"], 1),
    ]


def estimate_stages(settings: Settings, amounts: Amounts) -> list[Estimate]:
    """Estimate what every stage takes, in order."""
    recipes, _ = choose_recipes(settings)
    trained = [*recipes, *choose_baselines(recipes, settings)]
    of_areas = [each for each in trained if not isinstance(each, NetworkRecipe)]
    networks = [each for each in trained if isinstance(each, NetworkRecipe)]
    dense = [each for each in of_areas if _is_dense(each, settings)]
    n_dense_asked = sum(each in dense for each in recipes)
    n_area_rows = amounts.n_usable_areas * MEGABYTES["row of an area"]
    memory = MEGABYTES["dense or network" if dense or networks else "learning"] + n_area_rows
    split = Estimate("split", SECONDS["beginning"] - 1, MEGABYTES["beginning"] + 40, 1)
    train = Estimate(
        "train",
        SECONDS["loading networks"]
        + _train_areas(settings, amounts, of_areas)
        + sum(_train_network(amounts, each) for each in networks),
        memory,
        DISK["fold"] * amounts.n_folds * len(of_areas)
        + DISK["dense backbone"] * (bool(dense) + len(dense))
        + sum(_keep_network(settings, amounts, each) for each in networks),
    )
    size, targets = amounts.n_mpx, amounts.n_targets
    explain_s = SECONDS["explaining dense"] * size * n_dense_asked
    explain_s += SECONDS["explaining a chip"] * amounts.n_usable_chips * len(networks)
    drawn_mb = DISK["contribution"] * size * targets * n_dense_asked
    explaining = MEGABYTES["explaining" if n_dense_asked or networks else "learning"]
    last = SECONDS["going on"]
    return [
        *estimate_data(amounts),
        split,
        train,
        _evaluate(settings, amounts, of_areas, len(networks), memory),
        Estimate("explain", last + explain_s, explaining, drawn_mb + 1),
        Estimate("map", last + SECONDS["maps"] * size * n_dense_asked, 800, drawn_mb + 3),
        Estimate(
            "report", last + SECONDS["target of a report"] * targets, 1000, DISK["report"] * 2
        ),
    ]


def _keep_network(settings: Settings, amounts: Amounts, recipe: NetworkRecipe) -> float:
    """Estimate what a network's trainings leave on the disk, in megabytes."""
    # Here, and not above: it loads torch, and most of what is estimated has no network.
    from basrelief.learn.checkpoint import can_be_longer
    from basrelief.learn.encoders import measure_weights

    whole, trained = measure_weights(recipe, settings)
    a_training = float(whole)
    # What a longer training goes on from: the weights as they were last, and the optimiser's own.
    if can_be_longer(recipe):
        a_training += whole + trained * (1 if recipe.optimiser.name == "keras-rmsprop" else 2)
    return (amounts.n_schemes + 1) * a_training / 1e6


def _is_dense(recipe: AreaRecipe, settings: Settings) -> bool:
    return any(isinstance(each, DenseRecipe) for each in find_members(recipe, settings))


def _train_areas(settings: Settings, amounts: Amounts, recipes: Sequence[AreaRecipe]) -> float:
    """Estimate features, each kind once, and the fits of every fold, in seconds."""
    members = {each.name: each for recipe in recipes for each in find_members(recipe, settings)}
    seconds = 0.0
    for member in members.values():
        if isinstance(member, DenseRecipe):
            # A coarser look at the same ground has fewer pixels.
            # How fine a photo is stands in its files alone; most are as coarse as this.
            cell_m = settings.chips.resolution_m if member.layer == HEIGHTS else PHOTO_CELL_M
            seen_m = member.list_resolutions(cell_m)
            shares = [(settings.chips.resolution_m / each) ** 2 for each in seen_m]
            seconds += SECONDS["dense features"] * amounts.n_mpx * sum(shares)
        elif isinstance(member, StreetRecipe):
            a_picture = SECONDS["picture"] + SECONDS["network"] * member.size_px**2 / 1e6
            seconds += a_picture * amounts.n_street
        elif isinstance(member, RandomRecipe | StatisticsRecipe):
            kind = "random features" if isinstance(member, RandomRecipe) else "relief statistics"
            seconds += SECONDS[kind] * amounts.n_mpx
    for recipe in recipes:
        joins = isinstance(recipe, KrigedRecipe | StackRecipe)
        a_fold = SECONDS["fitting"] * (SECONDS["joining"] if joins else 1)
        a_fold += SECONDS["column"] * amounts.growth * amounts.n_targets
        seconds += a_fold * amounts.n_folds
    return seconds


def _train_network(amounts: Amounts, recipe: NetworkRecipe) -> float:
    """Estimate a network's trainings, one a scheme and one on everything, in seconds at most."""
    train = recipe.train
    # As the random split deals them; schemes of areas leave fewer, and these are estimates at most.
    n_learnt = (1 - TEST_SHARE) * amounts.n_usable_chips
    n_train, n_validation = (1 - VALIDATION_SHARE) * n_learnt, VALIDATION_SHARE * n_learnt
    n_steps = train.steps_per_epoch or count_batches(round(n_train), train.batch_size)
    learnt = n_steps * train.batch_size
    validated = n_validation
    if train.validation_steps is not None:
        validated = train.validation_steps * train.validation_batch_size
    # A chip that is looked at costs what one that is learnt from does: only the last layers are
    # trained, and the gradient goes no further.
    passes = train.epochs * (learnt + validated)
    a_chip = SECONDS["chip"] + SECONDS["network"] * amounts.mpx_a_chip
    return (amounts.n_schemes + 1) * (SECONDS["building a network"] + passes * a_chip)


def _evaluate(
    settings: Settings,
    amounts: Amounts,
    recipes: Sequence[AreaRecipe],
    n_networks: int,
    memory_mb: float,
) -> Estimate:
    """Estimate held-out predictions of every recipe, and the fits to other worlds."""
    n_areas, columns = len(recipes), SECONDS["column"] * amounts.growth * amounts.n_targets
    seconds = SECONDS["judging"] * (n_areas + N_BASELINES) * amounts.n_folds
    n_fits = KINDS * N_BASELINES + sum(_count_fits(settings, each) for each in recipes)
    seconds += columns * settings.evaluate.worlds * n_fits * amounts.n_refit_folds
    a_chip = SECONDS["chip"] + SECONDS["network"] * amounts.mpx_a_chip / 3
    seconds += n_networks * (amounts.n_schemes + 1) * amounts.n_usable_chips * a_chip
    disk = DISK["predictions"] * amounts.n_folds * (n_areas + 3) * amounts.n_targets / 8
    if n_areas:
        n_judged = (n_areas + N_BASELINES) * amounts.n_usable_areas * amounts.n_schemes
        disk += DISK["judged area"] * n_judged * amounts.n_targets
    return Estimate("evaluate", SECONDS["loading networks"] + seconds, memory_mb, disk + 1)


def _count_fits(settings: Settings, recipe: AreaRecipe) -> int:
    """Count how often a recipe is fitted to every world that is drawn of each kind."""
    members = find_members(recipe, settings)
    eyes = {member.eye for member in members}
    kinds = KINDS + KINDS_AN_EYE * len(eyes) * (len(eyes) > 1)
    return kinds * (STACK_FITS * len(members) if isinstance(recipe, StackRecipe) else 1)
