"""How often a whole report claims that LIDAR is worth having, where it is not and where it is.

    python benchmarks/claims.py examples/tq28ne.toml

The run must be finished. Labels of some targets are drawn, every recipe is fitted to them in
every scheme, and all scores and gains are judged together as a run judges them. Any claim that
LIDAR says something, or a recipe of LIDAR that is preferred, counts. Prints Markdown.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from simulated import Ground, Law, open_ground

from basrelief.judge.chance import DIFFERENCE, SKILL
from basrelief.judge.claims import find_surviving, list_claims, settle_claims
from basrelief.judge.worlds import Kind
from basrelief.judge.yardsticks import MEAN
from basrelief.run import Record

NULL = (
    Law("smooth, no LIDAR", 0.0, 0.6, 0.0),
    Law("district-wise and smooth, no LIDAR", 0.0, 0.2, 0.4),
    Law("rough, no LIDAR", 0.0, 0.6, 0.0, scale_m=500.0),
    Law("skewed and smooth, no LIDAR", 0.0, 0.6, 0.0, is_skewed=True),
)
PLANTED = (Law("a third LIDAR", 0.33, 0.25, 0.1), Law("two thirds LIDAR", 0.66, 0.1, 0.05))
SCHEMES = ("block", "lad")
KINDS: tuple[Kind, ...] = ("no_lidar", "moved")
N_TARGETS = 2
CORRELATION = 0.5

ALL = "all"
"""Stands for the mean over targets."""

Floats = NDArray[np.float64]
Skills = dict[str, dict[str, Floats]]
"""By scheme and recipe."""


def main() -> None:
    """Print how many reports claim anything of LIDAR, and of how many targets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument(
        "--reports", type=int, default=100, help="reports of each law without LIDAR"
    )
    parser.add_argument("--worlds", type=int, default=50, help="other worlds a report")
    parser.add_argument("--laws", default="", help="only laws whose name this pattern is found in")
    args = parser.parse_args()
    ground, start = open_ground(args.config), time.perf_counter()
    print("| labels | reports | with any claim | of targets, told |")
    print("|---|---|---|---|")
    for law in (*NULL, *PLANTED):
        if not re.search(args.laws, law.name):
            continue
        n = args.reports if law in NULL else max(args.reports // 4, 1)
        claimed, told = measure(ground, law, n, args.worlds)
        print(f"| {law.name} | {n} | {claimed:.1%} | {told:.1%} |", flush=True)
    print(f"\n{N_TARGETS} targets, schemes {' and '.join(SCHEMES)}, {args.worlds} worlds; ", end="")
    print(f"{time.perf_counter() - start:.0f} s.")


def measure(ground: Ground, law: Law, n_reports: int, n_worlds: int) -> tuple[float, float]:
    """Give the share of reports with any claim on LIDAR, and of targets with one."""
    rng = np.random.default_rng([5, (*NULL, *PLANTED).index(law)])
    correlation = np.full((N_TARGETS, N_TARGETS), CORRELATION)
    np.fill_diagonal(correlation, 1.0)
    labels = ground.draw(law, correlation, n_reports, rng)  # (report, area, target)
    drawn = [ground.redraw(each, KINDS, n_worlds, rng) for each in labels]
    worlds = [np.concatenate([each[kind] for kind in KINDS]) for each in drawn]
    stacked = np.concatenate([labels[:, None], np.stack(worlds)], axis=1)
    names = list(ground.learners)
    skills = {scheme: ground.skills(stacked, scheme, names) for scheme in SCHEMES}
    held = [report_claims(ground, skills, i) for i in range(n_reports)]
    any_claim = np.mean([bool(each) for each in held])
    told = [len(each - {ALL}) for each in held]
    return float(any_claim), float(np.mean(told)) / N_TARGETS


def report_claims(ground: Ground, skills: Skills, i: int) -> set[str]:
    """Name the targets of which a report claims that LIDAR says something."""
    targets = tuple(map(str, range(N_TARGETS)))
    claims = []
    for scheme, by_recipe in skills.items():
        # The first is the report's own labels, the others are the worlds without LIDAR.
        real = {name: values[i, 0] for name, values in by_recipe.items()}
        refits = ground.refits(
            targets,
            {
                name: dict(zip(KINDS, np.split(values[i, 1:], len(KINDS)), strict=True))
                for name, values in by_recipe.items()
            },
        )
        for records, names in (
            (list_scores(real, scheme, targets), SKILL),
            (list_gains(ground, real, scheme, targets), DIFFERENCE),
        ):
            claims += list_claims(records, names, ground.known, refits)
    lidar = [claim for claim in claims if claim.nothing == "no_lidar"]
    surviving = find_surviving(settle_claims(lidar), "no_lidar")
    return {target or ALL for _, _, _, target in surviving}


def list_scores(real: dict[str, Floats], scheme: str, targets: tuple[str, ...]) -> list[Record]:
    """List each recipe's skill, and its mean over targets, as records of a run."""
    return [
        {"recipe": name, "scheme": scheme, "unit": "area", "target": target}
        | dict.fromkeys(SKILL, float(value))
        for name, values in real.items()
        for target, value in zip((*targets, None), (*values, values.mean()), strict=True)
    ]


def list_gains(
    ground: Ground, real: dict[str, Floats], scheme: str, targets: tuple[str, ...]
) -> list[Record]:
    """List each joined recipe's gain over what differs in LIDAR alone."""
    pairs = {name: versus for name, versus in ground.known.yardsticks.items() if versus != MEAN}
    return [
        {"recipe": name, "versus": versus, "scheme": scheme, "unit": "area", "target": target}
        | dict.fromkeys(DIFFERENCE, float(value))
        for name, versus in pairs.items()
        for values in [real[name] - real[versus]]
        for target, value in zip((*targets, None), (*values, values.mean()), strict=True)
    ]


if __name__ == "__main__":
    main()
