"""Where it fails: on the map, by tenth and by district."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from basrelief.run import Record
from basrelief.style import SIGNED
from basrelief.tell.facts import Facts, Panel, select
from basrelief.tell.maps.classes import ENDS
from basrelief.tell.page import drawn_maps, figures
from basrelief.tell.page.results import covers_areas, draw_areas
from basrelief.tell.words import format_number, name_target

SURE = 0.05
"""The chance below which a pattern on the map is called one."""

# Eight tenths have a neighbour on both sides, two on one: (8 × 3 + 2 × 2) of 100.
BLIND_EXACT, BLIND_WITHIN_ONE = 0.10, 0.28
"""Shares of areas that shuffled tenths put into the right tenth, and within one of it."""


def gather(facts: Facts) -> dict[str, Any] | None:
    """Gather, target by target, where the recipe that is shown fails; None where none is."""
    shown = []
    records = select(facts.judged.failures, scheme=facts.shown_scheme)
    kept = list(facts.keep_shown(records))
    for record in kept:
        mine = facts.find_residuals(record["recipe"], record["target"])
        outside = facts.find_outside(record["recipe"], record["target"])
        districts = [
            row | {"name": facts.name_district(row["district"])} for row in record["by_district"]
        ]
        # By what is shown: codes are in another order than names.
        districts.sort(key=lambda row: str(row["name"]))
        shown.append(
            {
                "target": record["target"],
                "recipe": record["recipe"],
                "sentences": [
                    *say_failures(record, len(outside), len(mine), SURE / len(kept)),
                    *_say_unmeasured(facts, record, mine),
                ],
                "summary": _sum_up(record),
                "panels": _draw_failures(facts, record, mine, outside),
                "districts": districts,
                "deciles": record["by_decile"],
            }
        )
    return {"failures": shown} if shown else None


def _sum_up(record: Record) -> str:
    if record["deciles_within_one"] is None:
        return ""
    return f"{record['deciles_within_one']:.0%} within one tenth of the truth"


def say_failures(record: Record, n_outside: int, n: int, sure: float = SURE) -> list[str]:
    """Say in sentences what the residuals show: tenths hit, pattern on the map, areas outside.

    Parameters
    ----------
    sure
        The chance below which a pattern is called one: with several scores on a page a share of
        `SURE` each, or one in twenty of them would show one by luck (Bonferroni).
    """
    sentences = []
    if record["deciles_exact"] is not None:
        sentences.append(
            f"{record['deciles_exact']:.0%} of the areas are put into the right tenth and "
            f"{record['deciles_within_one']:.0%} into it or one beside it; by chance it would be "
            f"{BLIND_EXACT:.0%} and {BLIND_WITHIN_ONE:.0%}."
        )
    moran, chance = record["moran_i"], record["moran_p"]
    if moran is not None:
        figures_told = f"Moran's I {format_number(moran)}, p {format_number(chance, 3)}"
        if chance <= sure and moran > 0:
            sentences.append(
                f"Neighbouring areas err alike ({figures_told}): something that changes smoothly "
                "over the ground is missed, and whole neighbourhoods are predicted too high or "
                "too low together."
            )
        elif chance <= sure:
            sentences.append(f"Neighbouring areas err in opposite ways ({figures_told}).")
        else:
            sentences.append(
                f"Whether errors have a pattern on the map cannot be told ({figures_told})."
            )
    if n_outside:
        are = "area lies" if n_outside == 1 else "areas lie"
        sentences.append(
            f"{n_outside} of {n} {are} outside the area of applicability: in what the recipe goes "
            "by for this score, nothing in training is like them. They are striped on the maps."
        )
    return sentences


def _say_unmeasured(facts: Facts, record: Record, residuals: pd.DataFrame) -> list[str]:
    """Say of which areas the prediction rests on nothing, so that they are unlike nothing."""
    key = {name: record[name] for name in ("recipe", "target", "scheme")}
    kept = select(facts.judged.member_weights, **key)
    n = 0 if residuals.empty else int(residuals["is_inside"].isna().sum())
    # A network has no weights of members, and no features to be unlike in.
    if not n or not any(each["fallback_share"] for each in kept):
        return []
    return [
        f"Of {n} of {len(residuals)} areas it cannot be told whether training had anything like "
        "them: nothing was learnt there, and their prediction is the mean."
    ]


def _draw_failures(
    facts: Facts, record: Record, residuals: pd.DataFrame, outside: list[str]
) -> list[Panel]:
    """Draw the residuals as a map, and the errors by tenth of the prediction."""
    label, panels = name_target(record["target"]), []
    # A few areas on a map would tell nothing of where errors lie.
    if not residuals.empty and covers_areas(facts, len(residuals)):
        values = residuals.set_index("area_id")["residual"]
        # Where every error is 0 a scale must have some width all the same.
        reach = float(np.nanquantile(values.abs(), ENDS[1])) or 1.0
        # As far below 0 as above, so that what is predicted well is pale.
        scale = drawn_maps.Scale(f"{label}: observed − predicted", -reach, reach, SIGNED)
        caption = (
            f"Observed less predicted {label} by {record['recipe']}, mean over repeats: orange "
            "is higher than predicted, purple lower."
        )
        panels.append(draw_areas(facts, values, scale, caption, outside))
    if record["by_decile"]:
        caption = (
            "Errors by tenth of the prediction, 1 the highest. A dot above 0: that tenth is "
            "predicted too high."
        )
        alt = f"Errors of {record['recipe']} for {label}. {caption}"
        panels.append(Panel(figures.draw_deciles(record["by_decile"], alt), caption))
    return panels
