"""What is withheld from the public version, and why."""

from __future__ import annotations

import pyarrow.parquet as pq

from basrelief.config import PublishSettings
from basrelief.run import read_json
from basrelief.tell.facts import Facts, Withheld
from basrelief.tell.release.gate import MIN_BEHIND, Release
from basrelief.tell.words import name_targets


def say_bounds(publish: PublishSettings, release: Release) -> str:
    """Say in a sentence whose figures are shown."""
    if not release.shown:
        return "No figure of a single area is shown."
    bounds = []
    if publish.min_population:
        bounds.append(f"at least {publish.min_population:,} people")
    if publish.min_ground_covered:
        bounds.append(f"at least {publish.min_ground_covered:.0%} of the ground")
    behind = f" that have {' and '.join(bounds)} behind them" if bounds else ""
    pictures = "" if publish.allow == "areas" else " and pictures of single chips"
    return f"Shown are figures of whole areas{behind}{pictures}: {len(release.shown):,} areas."


def list_withheld(facts: Facts, narrowed: Facts, release: Release) -> list[Withheld]:
    """List what a run has and its public version has not."""
    entries = list(release.withheld)
    n_scores = len(facts.scores) - len(narrowed.scores)
    if n_scores:
        few = f"over fewer than {MIN_BEHIND} areas or chips, or leaving few by subtraction"
        entries.append(Withheld("scores of recipes", n_scores, few))
    n_effects = len(facts.judged.partial) - len(narrowed.judged.partial)
    if n_effects:
        why = f"over fewer than {MIN_BEHIND} areas"
        entries.append(Withheld("effects of slope and altitude", n_effects, why))
    if narrowed.unshown:
        why = "no better than always predicting the mean: what is seen in them may be chance"
        named = f"predictions of areas, ranked or on a map: {name_targets(narrowed.unshown)}"
        entries.append(Withheld(named, len(narrowed.unshown), why))
    n_extremes = len(facts.samples.targets)
    entries += [
        Withheld(
            "least, greatest and quartiles of a score over all that was used",
            n_extremes,
            "single areas' scores",
        ),
        *_list_parts(facts),
        *_list_pictures(facts, release),
        Withheld(
            "files and folders by name, codes and coordinates of chips",
            None,
            "they tell where ground lies and who worked on it",
        ),
    ]
    return entries


def bar_chips(facts: Facts, release: Release) -> set[str]:
    """Name the chips that show ground of an area with too few people."""
    membership = facts.samples.membership
    # However little of a chip's ground it is: a corner still shows single houses.
    is_small = membership["area_id"].isin(release.small)
    return set(membership.loc[is_small, "chip_id"].astype(str))


def _list_parts(facts: Facts) -> list[Withheld]:
    """List figures of parts of the place."""
    entries = []
    judged = facts.judged
    parts = [len(r["by_district"]) + len(r["by_decile"]) for r in judged.failures]
    parts.append(sum(record["group"] != "all" for record in judged.coverage))
    if sum(parts):
        why = "few areas behind each, and those withheld could be found by subtraction"
        entries.append(Withheld("figures by district, band and tenth", sum(parts), why))
    if (facts.run.describe / "daily-crimes.csv").exists():
        why = "taking away areas whose rates are shown would leave those withheld"
        entries.append(Withheld("recorded crimes by borough", None, why))
    n_maps = len(list(facts.run.maps.glob("*")))
    if n_maps:
        why = "they hold every area; areas.csv and areas.geojson hold those shown"
        entries.append(Withheld("layers and maps for the analyst's own tools", n_maps, why))
    n_models = len(list(facts.run.models.glob("*/final")))
    if n_models:
        why = "what they learnt from stands beside them, area by area"
        entries.append(Withheld("trained models", n_models, why))
    return entries


def _list_pictures(facts: Facts, release: Release) -> list[Withheld]:
    """List what is finer than an area."""
    entries = [
        Withheld(
            "chips, and predictions of single chips",
            len(facts.samples.chips),
            "they show and judge single buildings",
        )
    ]
    explain, is_open = facts.run.explain, facts.settings.publish.allow == "chips"
    chips = [heat.record["chip_id"] for heat in facts.heat]
    barred = bar_chips(facts, release)
    # Counted under one reason only: where no picture is let out, the setting is the reason.
    n_barred = sum(chip in barred for chip in chips)
    if chips and is_open:
        why = "they show where buildings lie, and judge them"
        item = "places, names and predictions of the heat maps shown"
        entries.append(Withheld(item, len(chips) - n_barred, why))
    if is_open and n_barred:
        why = "ground of areas with too few people"
        entries.append(Withheld("heat maps over single chips", n_barred, why))
    if chips and not is_open:
        why = 'finer than areas; publish.allow = "chips" shows them'
        entries.append(Withheld("heat maps over single chips", len(chips), why))
    contributions = explain / "contributions.json"
    if contributions.exists() and (n_maps := len(read_json(contributions))):
        why = "finer than areas: they point at buildings"
        entries.append(
            Withheld("maps of what raises and lowers predictions inside areas", n_maps, why)
        )
    sums = explain / "areas.parquet"
    # The number of rows stands in the file's foot: nothing else is read.
    if sums.exists() and (n_sums := pq.read_metadata(sums).num_rows):
        why = "told by final models, which have seen every area's score"
        entries.append(Withheld("what kinds of ground add to single predictions", n_sums, why))
    return entries
