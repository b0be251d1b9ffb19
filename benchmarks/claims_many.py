"""How often a report of many areas claims LIDAR where it is not there: no fold is fitted anew.

    python benchmarks/claims_many.py

Over 500 areas nothing is fitted to the labels of other worlds. A claim is then judged by its own
resampled range, stretched (`claims.ALONE`), among as many claims as there are. This draws places
of square areas whose ground is smooth and knows nothing of their labels, which are smooth too, and
counts the reports that claim anything of LIDAR, for several stretches. Everything is fitted,
compared and settled by the functions that judge a run, for LIDAR alone and LIDAR beside place,
whole blocks with a buffer and whole districts held out. Prints Markdown, and uses one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from basrelief.judge import claims
from basrelief.judge.chance import DIFFERENCE, SKILL, Refits
from basrelief.judge.compare import Errors, average_targets, compare_errors
from basrelief.judge.resampling import Draws
from basrelief.judge.yardsticks import MEAN, Traits
from basrelief.learn.area_models import TrainingAreas, fit_areas, predict_areas
from basrelief.learn.joint import AreaTerms, gp_interpolation
from basrelief.learn.place import Locations, correlate
from basrelief.run import Record
from basrelief.splits.folds import assign_folds

SIDE_M, N_EAST, N_NORTH = 400.0, 25, 24
"""Areas are squares: some 600, of the size of a city's LSOAs."""

BLOCK_M, BUFFER_M, DISTRICT_M = 1000.0, 500.0, 2500.0
N_FOLDS, N_REPEATS = 10, 3
N_FEATURES = 60
SCALES_M = (300.0, 800.0, 2000.0)
"""Length scales of the ground's features, a third of them each."""

LABEL_SCALES_M, SHARED = (500.0, 1500.0, 4000.0), 0.6
"""Of labels: over which length neighbours are alike, and how much of the variance they share."""

N_TARGETS, CORRELATION = 8, 0.5
STRETCHES = (1.0, 1.5, 2.0, 2.5)
LIDAR, JOINT, PLACE = "dense", "joint", "place-alone"
KNOWS = {LIDAR: ("heights",), JOINT: ("heights", "place"), PLACE: ("place",)}
BY_EYE = {LIDAR: {"heights": MEAN}, JOINT: {"heights": PLACE}, PLACE: {}}

Floats = NDArray[np.float64]


def main() -> None:
    """Print how many reports claim what is not there, by how far ranges are stretched."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reports", type=int, default=100)
    args = parser.parse_args()
    start = time.perf_counter()
    print("| neighbours alike over | ranges stretched | any claim of LIDAR | blocks | districts |")
    print("|---|---|---|---|---|")
    for scale_m in LABEL_SCALES_M:
        with threadpool_limits(1):
            reports = list(draw_reports(args.reports, scale_m, np.random.default_rng(11)))
        for stretch in STRETCHES:
            claims.ALONE = stretch
            held = [list_held(one) for one in reports]
            shares = [np.mean([bool(each) for each in held])]
            shares += [np.mean([scheme in each for each in held]) for scheme in ("block", "lad")]
            cells = " | ".join(f"{share:.0%}" for share in shares)
            print(f"| {scale_m:g} m | {stretch:g} times | {cells} |", flush=True)
    print(f"\n{args.reports} reports of each, {N_EAST * N_NORTH} areas, {N_TARGETS} targets alike ")
    print(
        f"by {CORRELATION}, {len(reports[0])} claims a report. {time.perf_counter() - start:.0f} s."
    )


def list_held(report: list[claims.Claim]) -> set[str]:
    """List the schemes of which a report claims anything of LIDAR."""
    return {each["scheme"] for each in claims.settle_claims(report) if each["holds"]}


def draw_reports(n: int, scale_m: float, rng: np.random.Generator) -> Iterator[list[claims.Claim]]:
    """Draw reports, and list what each may claim of LIDAR."""
    east, north = np.meshgrid(np.arange(N_EAST), np.arange(N_NORTH))
    xy = SIDE_M * (np.stack([east.ravel(), north.ravel()], axis=1) + 0.5)
    apart = cdist(xy, xy)
    fields = [draw_smooth(apart, scale, N_FEATURES // len(SCALES_M), rng) for scale in SCALES_M]
    features = np.concatenate(fields, axis=1)
    districts = name_squares(xy, DISTRICT_M)
    own = np.full((N_TARGETS, N_TARGETS), CORRELATION) + (1 - CORRELATION) * np.eye(N_TARGETS)
    mixing = np.linalg.cholesky(own).T
    terms = AreaTerms({"dense": features}, Locations(xy))
    shape = (len(xy), n, N_TARGETS)
    near = draw_smooth(apart, scale_m, n * N_TARGETS, rng).reshape(shape)
    noise = rng.standard_normal(shape)
    labels = (np.sqrt(SHARED) * near + np.sqrt(1 - SHARED) * noise) @ mixing
    blocks = name_squares(xy, BLOCK_M)
    errors = {
        "block": measure(terms, labels, blocks, blocks, BUFFER_M, rng),
        "lad": measure(terms, labels, districts, blocks, 0.0, rng),
    }
    draws = Draws(rng)
    for i in range(n):
        found: list[claims.Claim] = []
        for scheme, by_recipe in errors.items():
            mine = {
                name: Errors(one.of_model[i], one.of_mean[i]) for name, one in by_recipe.items()
            }
            found += list_claims(mine, scheme, pd.Series(blocks), draws)
        yield found


def measure(
    terms: AreaTerms,
    labels: Floats,
    groups: NDArray[np.str_],
    blocks: NDArray[np.str_],
    buffer_m: float,
    rng: np.random.Generator,
) -> dict[str, Errors]:
    """Fit every fold of a scheme, and take squared errors, (report, target, repeat, area)."""
    n, n_reports, n_targets = labels.shape
    flat = labels.reshape(n, -1)
    xy = terms.locations.xy
    assert xy is not None
    # Between squares, not centres: as a run measures it.
    gap = np.abs(xy[:, None] - xy).max(axis=2) - SIDE_M
    squares = {name: np.full((N_REPEATS, n, flat.shape[1]), np.nan) for name in (*KNOWS, MEAN)}
    for repeat in range(N_REPEATS):
        fold_of = assign_folds(groups, N_FOLDS, rng)
        for fold in range(fold_of.max() + 1):
            test = np.flatnonzero(fold_of == fold)
            is_near = (gap[:, test] < buffer_m).any(axis=1)
            train = np.flatnonzero((fold_of != fold) & ~is_near)
            areas = TrainingAreas(terms.take(train), flat[train], blocks[train], is_many=True)
            new = terms.take(test)
            both = fit_areas(areas, rng, joins_place=True)
            alone = fit_areas(areas, rng, joins_place=False)
            nothing = TrainingAreas(
                areas.terms.leave_out({"dense"}), areas.labels, areas.blocks, is_many=True
            )
            predicted = {
                LIDAR: predict_areas(alone, new, rng),
                JOINT: predict_areas(both, new, rng),
                PLACE: interpolate(nothing, new, rng),
                MEAN: np.broadcast_to(flat[train].mean(axis=0), (len(test), flat.shape[1])),
            }
            for name, values in predicted.items():
                squares[name][repeat, test] = (flat[test] - values) ** 2
    by_report = {
        name: np.moveaxis(each.reshape(N_REPEATS, n, n_reports, n_targets), (2, 3), (0, 1))
        for name, each in squares.items()
    }
    return {name: Errors(by_report[name], by_report[MEAN]) for name in KNOWS}


def interpolate(areas: TrainingAreas, new: AreaTerms, rng: np.random.Generator) -> Floats:
    """Predict from place alone, as the baseline of that name does."""
    at = areas.terms.locations
    return gp_interpolation(at, areas.labels, new.locations, rng, is_many=True)


def list_claims(
    errors: dict[str, Errors], scheme: str, groups: pd.Series[str], draws: Draws
) -> list[claims.Claim]:
    """List what a report may claim of LIDAR in one scheme."""
    known = claims.Knowledge(KNOWS, BY_EYE)
    traits = {name: Traits(each) for name, each in KNOWS.items()}
    targets = tuple(map(str, range(N_TARGETS)))
    refits = Refits(targets, KNOWS, 12, is_alone=True)
    key = {"scheme": scheme, "unit": "area"}
    skills: list[Record] = []
    gains: list[Record] = []
    nothing = errors[LIDAR].always_mean
    for k, record in enumerate(compare_errors(errors[LIDAR], nothing, groups, draws)):
        named = dict(zip(SKILL, (record[each] for each in DIFFERENCE), strict=True))
        skills.append(key | {"recipe": LIDAR, "target": targets[k]} | named)
    for k, record in enumerate(compare_errors(errors[JOINT], errors[PLACE], groups, draws)):
        gains.append(key | {"recipe": JOINT, "versus": PLACE, "target": targets[k]} | record)
    for record in average_targets(errors, groups, known.yardsticks, traits, draws):
        if record["recipe"] == LIDAR:
            skills.append(key | {name: record[name] for name in ("recipe", *SKILL)})
        elif record["recipe"] == JOINT:
            gains.append(key | {name: record[name] for name in ("recipe", "versus", *DIFFERENCE)})
    of_skill = claims.list_claims(skills, SKILL, known, refits)
    return [*of_skill, *claims.list_claims(gains, DIFFERENCE, known, refits)]


def draw_smooth(apart: Floats, scale_m: float, n: int, rng: np.random.Generator) -> Floats:
    """Draw fields that neighbours share over a length, (area, n), each of variance 1."""
    root = np.linalg.cholesky(correlate(apart, scale_m) + 1e-8 * np.eye(len(apart)))
    drawn: Floats = root @ rng.standard_normal((len(apart), n))
    return drawn


def name_squares(xy: Floats, side_m: float) -> NDArray[np.str_]:
    """Name the square of a side that each point lies in, (area,)."""
    east, north = (xy // side_m).astype(np.int64).T
    return np.array([f"{e}-{n}" for e, n in zip(east, north, strict=True)])


if __name__ == "__main__":
    main()
