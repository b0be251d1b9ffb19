"""What is withheld from the public version, and why."""

from __future__ import annotations

import pyarrow.parquet as pq

from basrelief.marks import list_files
from basrelief.run import read_json
from basrelief.stage_settings import PublishSettings
from basrelief.tell.facts import Facts
from basrelief.tell.publication import Basis, Withheld
from basrelief.tell.release.gate import MIN_BEHIND, Release
from basrelief.tell.words import count, write_targets

CLOSED = (
    "taking published figures away from published averages",
    "solving for a withheld score in predictions, ranks or intervals, or in scores of recipes",
    "fitting the program's models again, with any seed, and comparing what comes out",
    "trying guesses against a hash",
)
"""What gives no withheld score away: whatever it were, no published byte would be another."""

OPEN = (
    "whoever has the table of scores, or finds the score published elsewhere",
    "averages that others publish: less the scores shown here they leave those withheld",
    "other releases of the same areas: what one of them shows, another cannot withhold",
)

OPEN_TO_MODELS = (
    "predicting: a model of the scores shown says as much of withheld areas as of any other "
    "ground, and so do the scores of their neighbours",
)

ALWAYS_OPEN = (
    "seeing where areas without figures lie: outlines are shown, and boundaries are public",
    "the other files of the run folder, release/ among them: only public/ may be handed out",
)

RESTS_ON = (
    "outlines of areas that are withheld, which boundaries give to all",
    "what rasters and pictures show of their ground",
    "whether they are withheld: by how many people live there and how much of the ground is shown",
)
"""What of areas that are withheld a published byte may hang on, and nothing else of them: no score,
no count of crimes, and nothing that a table by area says."""

MADE_OF_DENSE = ("dense", "stack", "kriged")
"""Kinds of recipes whose predictions are explained on the ground."""


def say_basis(basis: Basis, *, is_whole: bool) -> str:
    """Say in a sentence or two what the figures shown rest on; empty where nothing is withheld."""
    if basis.kind == "nothing":
        return (
            "No figure that was learnt or averaged is shown: too little may be shown for anything "
            "to be fitted to it alone, and what rests on withheld scores would give them away."
        )
    if basis.kind == "refit":
        return (
            "All that was learnt or averaged was made anew without the scores that are withheld, "
            "so that no figure here can tell them."
        )
    return "" if is_whole else "No score that is withheld was learnt from or averaged."


def list_protection(basis: Basis, *, is_whole: bool) -> dict[str, list[str]]:
    """List what ``public/`` rests on of withheld areas, and what their scores are safe from."""
    if is_whole:
        return {"rests_on": [], "safe_from": [], "not_safe_from": list(ALWAYS_OPEN)}
    of_models = () if basis.kind == "nothing" else OPEN_TO_MODELS
    return {
        "rests_on": list(RESTS_ON),
        "safe_from": list(CLOSED),
        "not_safe_from": [*OPEN, *of_models, *ALWAYS_OPEN],
    }


def say_cure(publish: PublishSettings, *, of_pictures: bool) -> str:
    """Say what would let figures out where none is; of pictures, that this is as it should be."""
    bounds = {
        "min_population": publish.min_population,
        "min_ground_covered": publish.min_ground_covered,
    }
    known = " and ".join(f"publish.{name} = 0" for name, bound in bounds.items() if bound)
    people = (
        publish.min_population and f", if at least {publish.min_population:,} people live there"
    )
    if of_pictures and publish.min_ground_covered:
        return (
            "Every area is withheld, which is the default for pictures, as nobody knows how much "
            "of an area's ground they show; publish.min_ground_covered = 0 would show areas "
            f"without regard to that{people or ''}. report.html has all figures for yourself, "
            "and publish.json says why."
        )
    return (
        "Every area is withheld, and what was learnt or averaged rests on their scores alone. "
        f"publish.json says why; {known} would show areas without regard to that."
    )


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
    return (
        f"Shown are figures of whole areas{behind}{pictures}: {count(len(release.shown), 'area')}."
    )


def list_withheld(facts: Facts, narrowed: Facts, release: Release, basis: Basis) -> list[Withheld]:
    """List what a run has and its public version has not.

    Of a refit, which has no more than the public version needs, not how much of it there is.
    """
    entries = list(release.withheld)
    if basis.n_without:
        why = "each is an average of scores: with enough of them those withheld could be solved for"
        entries.append(Withheld("models, folds and averages that saw withheld scores", None, why))
    if release.hidden or basis.n_without:
        why = "with them folds could be dealt again, and guesses tried"
        entries.append(
            Withheld("the seed, and size and hash of tables of scores and of boundaries", None, why)
        )
    if basis.kind == "nothing":
        return entries
    # By the difference of the two, so that the record cannot leave out what was taken away.
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
        named = f"predictions of areas, ranked or on a map: {write_targets(narrowed.unshown)}"
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
    if (facts.run.owner.describe / "daily-crimes.csv").exists():
        why = "taking away areas whose rates are shown would leave those withheld"
        entries.append(Withheld("recorded crimes by borough", None, why))
    # Of a refit not how many: those of the run were drawn from all scores.
    n_maps = None if _is_refit(facts) else len(list_files(facts.run, ["maps"]))
    if facts.samples.has_places and n_maps != 0:
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
    is_open = facts.settings.publish.allow == "chips"
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
    kinds = {training["kind"] for training in facts.trainings} if _is_refit(facts) else set()
    if not is_open and (chips or "network" in kinds):
        why = 'finer than areas; publish.allow = "chips" shows them'
        n_chips = None if _is_refit(facts) else len(chips)
        entries.append(Withheld("heat maps over single chips", n_chips, why))
    return entries + _list_contributions(facts)


def _list_contributions(facts: Facts) -> list[Withheld]:
    """List what tells of the ground inside areas."""
    contributions = facts.run.explain / "contributions.json"
    sums = facts.run.explain / "areas.parquet"
    if _is_refit(facts):
        # Drawn by the run alone: how many there are is a finding of models that saw all scores.
        has_any = any(training["kind"] in MADE_OF_DENSE for training in facts.trainings)
        n_maps, n_sums = (None, None) if has_any else (0, 0)
    else:
        n_maps = len(read_json(contributions)) if contributions.exists() else 0
        # The number of rows stands in the file's foot: nothing else is read.
        n_sums = pq.read_metadata(sums).num_rows if sums.exists() else 0
    entries = []
    if n_maps != 0:
        why = "finer than areas: they point at buildings"
        item = "maps of what raises and lowers predictions inside areas"
        entries.append(Withheld(item, n_maps, why))
    if n_sums != 0:
        why = "told by final models, which have seen every area's score"
        entries.append(Withheld("what kinds of ground add to single predictions", n_sums, why))
    return entries


def _is_refit(facts: Facts) -> bool:
    """Whether facts are those of a run fitted anew for the public."""
    return facts.run.lender is not None
