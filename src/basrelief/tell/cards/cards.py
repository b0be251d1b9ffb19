"""The model card and the data sheet, filled from the run."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment

from basrelief import __version__
from basrelief.judge.yardsticks import MEAN
from basrelief.learn.measures import MEASURES
from basrelief.run import Record, digest, replacing
from basrelief.tell import words
from basrelief.tell.cards.caveats import list_caveats, say_no_ranges
from basrelief.tell.cards.data_sheet import tell_data
from basrelief.tell.facts import Facts, choose_unit, select
from basrelief.tell.findings import say_headline, say_worth
from basrelief.tell.intervals import say_intervals
from basrelief.tell.models import Model
from basrelief.tell.page.question import say_question
from basrelief.tell.page.verdict import show_verdict
from basrelief.tell.provenance import list_versions
from basrelief.tell.publication import Basis
from basrelief.tell.release.gate import MIN_BEHIND, Release
from basrelief.tell.release.withheld import say_basis
from basrelief.tell.templates import open_templates
from basrelief.tell.training import say_precision, say_shortfalls

CARDS = {"model_card.md": "model_card.md.j2", "data_sheet.md": "data_sheet.md.j2"}

LEVEL = 80
"""The level of interval that the card tells of, in per cent."""


def write_cards(
    facts: Facts,
    narrowed: Facts,
    release: Release,
    models: Sequence[Model],
) -> None:
    """Write ``model_card.md`` and ``data_sheet.md``.

    Figures in them are those of the public page, which no withheld score has a part in.

    Parameters
    ----------
    narrowed
        What `narrow_facts` leaves of the facts.

    References
    ----------
    Mitchell et al. (2019), FAT* '19, 220-229; Gebru et al. (2021), CACM 64(12), 86-92.
    """
    environment = open_cards()
    content = tell_data(facts, narrowed, release) | tell_models(facts, narrowed, models)
    content |= judge_models(facts, narrowed, release)
    for name, template in CARDS.items():
        text = environment.get_template(template).render(content)
        with replacing(facts.run.folder / name) as part:
            part.write_text(f"{text}\n", encoding="utf-8")
    facts.run.say("report: model_card.md and data_sheet.md")


def write_model_card(
    path: Path,
    model: Model,
    told: tuple[Facts, Facts, Release],
    revealed: Sequence[str],
    licence: str | None = None,
) -> None:
    """Write the card of one model that leaves its run.

    Parameters
    ----------
    told
        The facts of the run that it is of, what `narrow_facts` leaves of them, and the release.
    revealed
        What its folder tells of those learnt from, in sentences.
    licence
        What it is handed out under; None where that is not settled.
    """
    facts, narrowed, release = told
    content = tell_data(facts, narrowed, release) | tell_models(facts, narrowed, [model])
    content |= judge_models(facts, narrowed, release)
    # Neither is that of a run, whose models may have seen more.
    content |= {"revealed": revealed, "shortfalls": say_shortfalls(narrowed.trainings)}
    content["licence"] = licence
    content["caveats"] = list_caveats(narrowed)
    text = open_cards().get_template(CARDS["model_card.md"]).render(content)
    with replacing(path) as part:
        part.write_text(f"{text}\n", encoding="utf-8")


def open_cards() -> Environment:
    """Open the templates of cards, with the filters that only they use."""
    environment = open_templates("cards")
    environment.filters["digits"] = format_digits
    environment.filters["cell"] = escape_cell
    return environment


def tell_models(facts: Facts, narrowed: Facts, models: Sequence[Model]) -> dict[str, Any]:
    """Gather what the models are, and what they were made with."""
    settings = facts.settings
    is_whole = narrowed.publication is not None and narrowed.publication.is_whole
    return {
        "revealed": (),
        "licence": None,
        "authors": settings.publish.authors,
        "contact": settings.publish.contact,
        "models": [(facts.tell(model.name), model) for model in models],
        "shortfalls": say_shortfalls(facts.trainings),
        "precisions": [
            (facts.tell(training["recipe"]), said)
            for training in facts.trainings
            if (said := say_precision(training))
        ],
        # Nobody can read off a recipe what its thirty-odd statistics are.
        "measures": MEASURES if any(m.recipe.kind == "statistics" for m in models) else (),
        "recipes": facts.recipes,
        "question": say_question(settings, facts.joined),
        "written": max((model.written for model in models), default=None),
        "pretrained": say_pretrained(facts, models),
        "schemes": [words.name_scheme(scheme, settings) for scheme in facts.schemes],
        "shown_scheme": words.name_scheme(facts.shown_scheme, settings),
        "held_said": say_folds(facts),
        # The hash of the settings gives the seed away: there are few enough to try all.
        "seed": settings.seed if is_whole else "withheld",
        # Where a run lies decides no figure, and must not change the hash.
        "settings_hash": digest(settings.model_dump(mode="json", exclude={"out"}))
        if is_whole
        else "withheld",
        "version": __version__,
        "versions": [*list_versions(), ("Python", platform.python_version())],
    }


def judge_models(facts: Facts, narrowed: Facts, release: Release) -> dict[str, Any]:
    """Gather what judging found, as far as the gate lets it through."""
    findings = narrowed.findings
    found = show_verdict(narrowed)
    # Of narrowed facts: the card goes with its model, wherever that goes.
    coverage = select(narrowed.judged.coverage, scheme=narrowed.shown_scheme, level=LEVEL)
    publication = narrowed.publication
    assert publication is not None
    headline = found["headline"] if found else say_headline(findings, narrowed.settings)
    # Else it would say that nothing was scored, which is not so.
    if publication.basis.kind == "nothing":
        headline = say_basis(publication.basis, is_whole=publication.is_whole)
    return {
        "headline": headline,
        "scores": list_scores(narrowed),
        "has_ground": narrowed.has_ground,
        "intervals": say_intervals(narrowed.scores) or say_no_ranges(narrowed.scores),
        "coverage": narrowed.keep_shown(coverage),
        "level": LEVEL,
        "districts": list_districts(facts, release),
        "no_districts": (
            "some areas are withheld, and could be found from the others"
            if release.hidden
            else "no district has as many, or districts were not judged"
        ),
        "caveats": [*_say_refit(publication.basis), *list_caveats(narrowed)],
    }


def _say_refit(basis: Basis) -> list[str]:
    """Say that figures are not those of the models described, where they are not."""
    if basis.kind != "refit":
        return []
    return [
        f"The figures are of models fitted anew without {basis.n_without} areas whose scores are "
        "withheld; the models above saw those too, so that handing them out may give them away."
    ]


def list_scores(narrowed: Facts) -> list[Record]:
    """List the scores of what was asked for, each beside what differs in LIDAR alone."""
    rows, yardsticks = [], narrowed.judged.yardsticks
    for target in narrowed.samples.targets:
        for scheme in narrowed.schemes:
            unit = choose_unit(narrowed.scores, target, scheme)
            mine = select(narrowed.scores, target=target, scheme=scheme, unit=unit)
            # A skill beside 0 alone flatters. The mean's is 0, and it is told in no row.
            skills = {MEAN: 0.0} | {record["recipe"]: record["skill"] for record in mine}
            for record in mine:
                if record["recipe"] in narrowed.asked and record["skill"] is not None:
                    versus = yardsticks.get(record["recipe"], MEAN)
                    without = {"without": skills.get(versus), "versus": words.name_recipe(versus)}
                    rows.append(record | {"words": say_worth(record)} | without)
    return rows


def list_districts(facts: Facts, release: Release) -> list[Record]:
    """List errors by district where enough areas stand behind each, and none is withheld."""
    # A district has few areas: beside those shown its error tells of those withheld.
    if release.hidden:
        return []
    records = select(facts.judged.failures, scheme=facts.shown_scheme)
    rows = [
        row | {"target": record["target"], "name": facts.name_district(row["district"])}
        for record in facts.keep_shown(records)
        for row in record["by_district"]
        if row["n"] >= MIN_BEHIND
    ]
    targets = facts.samples.targets
    return sorted(rows, key=lambda row: (targets.index(row["target"]), str(row["name"])))


def say_pretrained(facts: Facts, models: Sequence[Model]) -> str:
    """Say which networks come with weights of others; empty where none does."""
    backbones = [name for model in models for name in model.backbones]
    given = facts.settings.models.weights
    parts = []
    for name in dict.fromkeys(backbones):
        # Random weights are nobody's, and need no licence.
        if given.get(name) != "none":
            whose = "timm's" if name not in given else "a given file's"
            parts.append(f"{name} comes with {whose} weights")
    if not parts:
        return ""
    licence = "which have a licence of their own (Oxford's VGG16: CC BY 4.0)"
    return f"{words.join_words(parts)}, {licence}"


def say_folds(facts: Facts) -> str:
    """Say how often ground was held out."""
    split = facts.settings.split
    return (
        f"Recipes of areas: up to {split.folds} folds, drawn {split.repeats} times. Networks: "
        "trained once a scheme, tested on its first fold."
    )


def format_digits(value: float | None) -> str:
    """Write a number with three digits that count, whatever its size.

    Examples
    --------
    >>> format_digits(0.004567), format_digits(-123.4), format_digits(None)
    ('0.00457', '−123', '–')
    """
    # NaN, which equals nothing, is as unknown as none at all.
    if value is None or value != value:
        return "–"
    return f"{value:.3g}".replace("-", "−")


def escape_cell(text: str) -> str:
    r"""Keep a text from breaking a table's row.

    Examples
    --------
    >>> escape_cell("a|b")
    'a\\|b'
    """
    return text.replace("|", "\\|").replace("\n", " ")
