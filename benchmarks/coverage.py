"""How often intervals of skills hold what is to be expected, on simulated labels.

    python benchmarks/coverage.py examples/tq28ne.toml

The run must be finished. For each law of labels and each scheme: labels of some targets are
drawn many times, every recipe is fitted to each draw, and a skill's expected value is its mean
over the draws. The first of them are taken for a run's own labels, and their intervals made as a
run makes them. Prints Markdown.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from simulated import Ground, Law, open_ground

from basrelief.judge.chance import Refits
from basrelief.judge.worlds import WorldKind
from basrelief.judge.yardsticks import MEAN

LAWS = (
    Law("nothing", 0.0, 0.0, 0.0),
    Law("place and district, no LIDAR", 0.0, 0.5, 0.2),
    Law("LIDAR, place and district", 0.3, 0.25, 0.15),
    Law("mostly LIDAR", 0.6, 0.1, 0.1),
    Law("mostly district", 0.0, 0.1, 0.6),
)
SCHEMES = ("block", "lad")
KINDS: tuple[WorldKind, ...] = ("alike", "no_lidar", "moved", "no_pattern")
N_TARGETS = 4
CORRELATION = 0.5
"""Between targets."""

NOMINAL = 0.95
"""What `N_SPREADS` standard deviations on either side are meant to hold."""

N_DRAWS = 300
"""Draws that a skill's expected value is the mean of."""

Floats = NDArray[np.float64]


def main() -> None:
    """Print a table of nominal and realised coverage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("--reports", type=int, default=20, help="sets of labels taken for real")
    parser.add_argument("--worlds", type=int, default=50, help="other worlds a report")
    parser.add_argument("--laws", default="", help="only laws whose name this pattern is found in")
    parser.add_argument("--recipes", nargs="+", help="these instead of place and one encoder")
    args = parser.parse_args()
    ground, start = open_ground(args.config), time.perf_counter()
    print("| labels | scheme | of | expected | kind | intervals | half width | nominal | held |")
    print("|---|---|---|---|---|---|---|---|---|")
    for law in LAWS:
        if not re.search(args.laws, law.name):
            continue
        for scheme in SCHEMES:
            names = args.recipes or choose_names(ground)
            for row in measure(ground, law, scheme, names, args.reports, args.worlds):
                print("| " + " | ".join(row) + " |", flush=True)
    print(
        f"\n{args.reports} sets of {N_TARGETS} targets, {args.worlds} worlds of each kind; ", end=""
    )
    print(f"{time.perf_counter() - start:.0f} s.")


def measure(
    ground: Ground, law: Law, scheme: str, names: list[str], n_reports: int, n_worlds: int
) -> Iterator[tuple[str, ...]]:
    """Measure the coverage of skills, gains of LIDAR and means over targets."""
    rng = np.random.default_rng([3, LAWS.index(law), SCHEMES.index(scheme)])
    correlation = np.full((N_TARGETS, N_TARGETS), CORRELATION)
    np.fill_diagonal(correlation, 1.0)
    labels = ground.draw(law, correlation, max(N_DRAWS, n_reports), rng)
    real = ground.skills(labels, scheme, names)  # (draw, target) of each
    worlds = [ground.redraw(each, KINDS, n_worlds, rng) for each in labels[:n_reports]]
    drawn = {
        kind: ground.skills(np.stack([each[kind] for each in worlds]), scheme, names)
        for kind in KINDS
    }
    targets = tuple(map(str, range(N_TARGETS)))
    refits = [
        ground.refits(targets, {name: {k: drawn[k][name][i] for k in KINDS} for name in names})
        for i in range(n_reports)
    ]
    pairs = [(name, MEAN) for name in names]
    yardsticks = [(name, ground.known.yardsticks[name]) for name in names]
    pairs += [(name, versus) for name, versus in yardsticks if versus in names]
    for recipe, versus in dict.fromkeys(pairs):
        gain = real[recipe] - (0.0 if versus == MEAN else real[versus])
        label = recipe if versus == MEAN else f"{recipe} over {versus}"
        for name, over in ((label, targets), (f"{label}, mean", ())):
            for row in judge(gain, refits, recipe, versus, over):
                yield (law.name, scheme, name, *row)


def judge(
    gain: Floats, refits: list[Refits], recipe: str, versus: str, targets: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    """Say how often intervals of each kind hold the expected gain; of the mean without ``targets``.

    A kind has a row of its own: ranges that are drawn in where LIDAR is told from chance are no
    draw of all ranges, and must not borrow how often the others hold.
    """
    values = gain if targets else gain.mean(axis=1, keepdims=True)  # (draw, target)
    expected = values.mean()  # one law, whatever the target
    held: dict[str, list[bool]] = {}
    half: dict[str, list[float]] = {}
    for own, row in zip(refits, values, strict=False):
        for target, value in zip(targets or (None,), row, strict=True):
            record = {"recipe": recipe, "versus": versus, "target": target}
            # Ends of resampled groups stand where refits put theirs: any will do.
            found = own.bound_pair(record | {"difference": value, "low": 0.0, "high": 0.0})
            kind = str(found["interval"])
            held.setdefault(kind, []).append(bool(found["low"] <= expected <= found["high"]))
            half.setdefault(kind, []).append((found["high"] - found["low"]) / 2)
    for kind, each in sorted(held.items()):
        width, share = f"{np.median(half[kind]):.3f}", f"{np.mean(each):.0%}"
        yield f"{expected:.3f}", kind, str(len(each)), width, f"{NOMINAL:.0%}", share


def choose_names(ground: Ground) -> list[str]:
    """Choose place, place and district, and the recipes of one encoder alone and joined."""
    joined = [name for name, versus in ground.known.yardsticks.items() if versus != MEAN]
    alone = [name for name in ground.learners if f"kriged-{name}" in joined]
    return ["place-alone", "place-and-district", *alone, *joined]


if __name__ == "__main__":
    main()
