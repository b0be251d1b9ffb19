"""Who would be found: how many of the worst areas, and the list of those predicted worst."""

from __future__ import annotations

from typing import Any

from basrelief.judge.baselines import PLACE
from basrelief.run import Record
from basrelief.tell.facts import N_LISTED, Facts, select
from basrelief.tell.page.marks import Mark, Point, keep_shown
from basrelief.tell.words import format_number, format_percent, name_scheme, name_target


def show_targeting(facts: Facts) -> dict[str, Any] | None:
    """Gather how many of the worst areas would be found, and the list of them."""
    records = select(facts.judged.targeting, scheme=facts.shown_scheme)
    mine = keep_shown(records, facts)
    shares = sorted({record["share"] for record in mine}, reverse=True)
    if not shares:
        return None
    charts = [(share, [_mark_hits(r) for r in mine if r["share"] == share]) for share in shares]
    others = [r for r in facts.judged.targeting if r["recipe"] in (*facts.asked, PLACE)]
    return {
        "charts": charts,
        "lists": [_list_worst(facts, target, recipe) for target, recipe in facts.shown.items()],
        "n_listed": N_LISTED,
        "table": others,
        "held_out": name_scheme(facts.shown_scheme, facts.settings),
    }


def _mark_hits(record: Record) -> Mark:
    """Hold a hit rate against chance."""
    low, high, chance = record["low"], record["high"], record["chance"]
    if low is not None and low > chance:
        sense, sign, words = "better", "▲", "better than chance"
    elif high is not None and high < chance:
        sense, sign, words = "worse", "▼", "worse than chance"
    else:
        sense, sign, words = "even", "●", "no better than chance"
    n_picked = record.get("n_picked", round(record["share"] * record["n"]))
    place = record["place_alone_hit_rate"]
    beside = "" if place is None else f"; place alone {format_percent(place)}"
    found = format_number(record["hits"], 1).removesuffix(".0")
    point = Point(record["hit_rate"], low, high, chance, place, sense, sign)
    return Mark(
        label=name_target(record["target"]),
        note=f"{found} of {n_picked} found{beside}",
        points=[point],
        sense=sense,
        sign=sign,
        words=words,
    )


def _list_worst(facts: Facts, target: str, recipe: str) -> dict[str, Any]:
    """List the areas predicted worst for one target."""
    ranked = facts.judged.ranked
    rows: list[dict[Any, Any]] = []
    if not ranked.empty:
        is_mine = (ranked["recipe"] == recipe) & (ranked["target"] == target)
        top = ranked[is_mine].head(N_LISTED)
        top = top.assign(
            is_outside=[str(value) == "False" for value in top["is_inside"]],
            district=[facts.districts.get(code, code) for code in top["lad"]],
        )
        rows = top.astype(object).where(top.notna(), None).to_dict("records")
    return {"target": target, "recipe": recipe, "rows": rows}
