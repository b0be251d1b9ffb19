"""What the card warns of: at least what the page's banners say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from basrelief.config import Settings
from basrelief.run import Run
from basrelief.tell.cards.caveats import list_caveats, say_no_ranges
from basrelief.tell.facts import Facts, read_facts

CALM = "This run's own figures warn of nothing"
SHORT: dict[str, Any] = {"recipe": "coursework-vgg16", "is_shortened": True, "random_weights": []}
SHORT |= {"epochs": 3, "epochs_of_recipe": 20, "steps_per_epoch": 8, "steps_of_recipe": 64}
RANDOM = SHORT | {"recipe": "coursework-resnet50v2", "random_weights": ["resnetv2_50"]}


@pytest.fixture(scope="module")
def judged(
    tmp_path_factory: pytest.TempPathFactory,
    write_judged: Callable[[Path], Run],
    open_settings: Settings,
) -> Facts:
    run = write_judged(tmp_path_factory.mktemp("caveats") / "run")
    return read_facts(open_settings, run)


def like_coursework(facts: Facts) -> Facts:
    """Facts as the coursework's: two networks cut short, one random split, models held fixed."""
    score = facts.scores[0] | {"scheme": "random", "unit": "chip", "interval": "resampled"}
    networks = {"coursework-vgg16": (-2.4, "worse"), "coursework-resnet50v2": (-0.1, "unsure")}
    scores = [
        score | {"recipe": name, "skill": skill, "worth": worth}
        for name, (skill, worth) in networks.items()
    ]
    claims = [
        facts.judged.claims[0]
        | {"recipe": name, "scheme": "random", "unit": "chip", "is_tested": False, "holds": False}
        for name in networks
    ]
    judged = replace(facts.judged, claims=claims)
    return replace(
        facts, scores=scores, asked=list(networks), judged=judged, trainings=[SHORT, RANDOM]
    )


def test_a_card_of_networks_that_fail_warns_of_all_that_the_page_does(judged: Facts) -> None:
    caveats = list_caveats(like_coursework(judged))
    said = " ".join(caveats)
    assert "was shortened: 3 of 20 epochs, 8 of 64 steps" in said
    assert "coursework-resnet50v2 began with random weights" in said
    assert "Only a random split was run." in said
    assert "No gain of these models could be held against chance" in said
    for name in ("coursework-vgg16", "coursework-resnet50v2"):
        assert f"{name} cannot be told better than always predicting the mean for crime." in caveats
    assert CALM not in said


def test_where_no_score_may_be_told_the_card_does_not_call_that_well(judged: Facts) -> None:
    said = " ".join(list_caveats(replace(like_coursework(judged), scores=[])))
    assert "No score of these models may be told here" in said
    assert "3 of 20 epochs" in said
    assert CALM not in said


def test_why_there_are_no_ranges_is_the_true_reason(judged: Facts) -> None:
    assert say_no_ranges([]) == "none: no score may be shown."
    assert say_no_ranges(judged.scores) == "none: too few blocks or areas were tested."


def test_claims_that_do_not_survive_are_warned_of(judged: Facts) -> None:
    lost = [claim | {"holds": False} for claim in judged.judged.claims]
    said = " ".join(list_caveats(replace(judged, judged=replace(judged.judged, claims=lost))))
    assert "No gain of these models survives chance over the whole report" in said


def test_a_run_without_any_of_these_warns_of_nothing(judged: Facts) -> None:
    calm = replace(judged, scores=[record | {"n": 99} for record in judged.scores])
    inside = calm.judged.residuals.assign(is_inside=True)
    calm = replace(calm, judged=replace(calm.judged, residuals=inside))
    (said,) = list_caveats(calm)
    assert said.startswith(CALM)
