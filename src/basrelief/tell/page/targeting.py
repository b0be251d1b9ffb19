"""Who would be found: how many of the worst areas, and the list of those predicted worst."""

from __future__ import annotations

from typing import Any

from basrelief.run import Record
from basrelief.tell.evaluation import N_LISTED
from basrelief.tell.facts import Facts, select
from basrelief.tell.page.chart import SHARES, Point, Row, Statement
from basrelief.tell.words import (
    format_number,
    format_percent,
    name_recipe,
    name_scheme,
    name_source,
    name_target,
)

WORST_FIFTH = 0.2
"""Share of the areas that are picked as the worst, where one alone is told."""

SHARE_NAMES = {WORST_FIFTH: "fifth", 0.1: "tenth"}

VERSUS_CHANCE = {
    "better": "better than chance",
    "even": "cannot be told from chance",
}


def gather(facts: Facts) -> dict[str, Any] | None:
    """Gather how many of the worst areas would be found, and the list of them."""
    targeting = facts.judged.targeting
    mine = facts.keep_shown(select(targeting, scheme=facts.shown_scheme))
    shares = sorted({record["share"] for record in mine}, reverse=True)
    if not shares:
        return None
    # With what has to be beaten: a share found flatters while it stands alone.
    told = {*facts.asked, *(facts.judged.yardsticks.get(name) for name in facts.asked)}
    lists = [_list_worst(facts, target, recipe) for target, recipe in facts.shown.items()]
    failing = facts.find_failing()
    return {
        "eye": name_source(facts.has_ground),
        "charts": [
            {
                "name": SHARE_NAMES.get(share, format_percent(share)),
                "chance": 100 * share,
                "rows": [_show_hits(record, failing) for record in select(mine, share=share)],
            }
            for share in shares
        ],
        "axis": SHARES,
        "lists": [found for found in lists if found["rows"]],
        "is_one_target": len(facts.shown) == 1,
        "n_listed": N_LISTED,
        "table": [record for record in targeting if record["recipe"] in told],
        "held_out": name_scheme(facts.shown_scheme, facts.settings),
        "n_held": sum(tell_hits(record) != "even" for record in mine),
        "n_tried": len(mine),
    }


def tell_hits(record: Record) -> str:
    """Tell whether a hit rate is better than a blind pick's, as far as chance lets it be told.

    Examples
    --------
    >>> tell_hits({"hit_rate": 0.75, "chance": 0.2, "worth": "better"})
    'better'
    >>> tell_hits({"hit_rate": 0.75, "chance": 0.2, "low": 0.3, "high": 0.9})
    'even'
    """
    # One range among many lies above chance by luck: only what survives over all of them counts,
    # and where nothing says that it does, it does not.
    return "better" if record.get("worth") == "better" else "even"


def _show_hits(record: Record, failing: dict[str, list[str]]) -> Row:
    """Hold a hit rate against chance; ``failing`` are the targets that each recipe cannot tell."""
    low, high, chance = record["low"], record["high"], record["chance"]
    without, sense = record["versus_hit_rate"], tell_hits(record)
    apart = (
        "fewer beyond chance" if record.get("versus_worth") == "better" else "cannot be told apart"
    )
    # Whoever cannot be told to predict a score is not praised for whom it finds by that.
    if sense == "better" and record["target"] in failing.get(record["recipe"], []):
        sense = "even"
    # Beside the mean, which picks blindly, chance says it all.
    beside = (
        ""
        if without is None
        else f"; {name_recipe(record['versus'])} {format_percent(without)}, {apart}"
    )
    # A mean over repeats, and whole only by chance.
    found = format_number(record["hits"], 1).removesuffix(".0")
    return Row(
        label=name_target(record["target"]),
        points=(Point(record["hit_rate"], low, high, sense, chance, without),),
        note=f"{found} of {record['n_picked']} found{beside}",
        statement=Statement(sense, VERSUS_CHANCE[sense]),
    )


def _list_worst(facts: Facts, target: str, recipe: str) -> dict[str, Any]:
    """List the areas predicted worst for one target."""
    ranked = facts.judged.ranked
    rows: list[dict[Any, Any]] = []
    if not ranked.empty:
        is_mine = (ranked["recipe"] == recipe) & (ranked["target"] == target)
        # It is in order of rank already.
        top = ranked[is_mine].head(N_LISTED)
        top = top.assign(
            # By their text: beside blanks, truth values were read as text or not.
            is_outside=[str(value) == "False" for value in top["is_inside"]],
            district=[facts.name_district(code) for code in top["lad"]],
        )
        # To a template NaN is true, and None is not.
        rows = top.astype(object).where(top.notna(), None).to_dict("records")
    is_failing = target in facts.find_failing().get(recipe, [])
    return {"target": target, "recipe": recipe, "rows": rows, "is_failing": is_failing}
