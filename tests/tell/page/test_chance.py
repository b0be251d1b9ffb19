"""What chance gives: how many claims survive it, and gains with the labels moved elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from basrelief.config import Settings
from basrelief.run import Run
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.page import chance, report
from basrelief.tell.release.gate import decide_release
from basrelief.tell.release.narrow import narrow_facts

Reader = Callable[[str, str], str]


@pytest.fixture(scope="module")
def facts(
    tmp_path_factory: pytest.TempPathFactory,
    write_judged: Callable[[Path], Run],
    judged_settings: Settings,
) -> Facts:
    return read_facts(judged_settings, write_judged(tmp_path_factory.mktemp("chance") / "run"))


@pytest.fixture(scope="module")
def page(facts: Facts) -> str:
    """The report of these facts as they are."""
    return report.draw_page(facts)


def tell(facts: Facts, **changes: Any) -> Facts:
    return replace(facts, judged=replace(facts.judged, **changes))


def test_what_survives_is_counted_beside_all_that_could_be_claimed(
    facts: Facts, page: str, section: Reader
) -> None:
    lidar, place = facts.judged.claims
    more = [lidar | {"target": None, "holds": False}, lidar | {"scheme": "lad"}, place]
    found = chance.gather(tell(facts, claims=[*facts.judged.claims, *more]))
    assert found is not None
    assert (found["lidar"], found["others"]) == ((2, 3), (0, 2))
    said = section(page, "chance")
    assert "Of what could be claimed for LIDAR, 1 of 1 survives" in said
    assert "or for these with LIDAR over the mean, 0 of 1." in said


def test_only_where_something_was_fitted_anew_it_is_said_to_be(
    facts: Facts, page: str, section: Reader
) -> None:
    words = "every recipe but networks was fitted anew to both"
    rate = "at most one such page in twenty claimed anything of LIDAR"
    assert rate in section(page, "chance")
    assert words in section(page, "chance")
    rough = [record | {"interval": "few_districts"} for record in facts.scores]
    assert words in section(report.draw_page(replace(facts, scores=rough)), "chance")
    fixed = [record | {"interval": "resampled"} for record in facts.scores]
    page = report.draw_page(replace(tell(facts, relocation=[]), scores=fixed))
    assert words not in section(page, "chance")
    assert rate not in section(page, "chance")
    assert "predictions were held fixed" in section(page, "chance")
    assert "moved and turned" not in section(page, "chance")


def test_no_rate_is_told_of_a_page_whose_networks_could_claim(facts: Facts) -> None:
    lidar, _ = facts.judged.claims
    network = lidar | {"recipe": "vgg16", "holds": False}
    scores = [*facts.scores, facts.scores[0] | {"recipe": "vgg16", "interval": "resampled"}]
    said = chance.say_how([lidar, network], scores)
    assert "With networks it was not measured" in said
    assert "8 of 100" in said
    # One that was held against nothing can claim nothing.
    said = chance.say_how([lidar, network | {"is_tested": False}], scores)
    assert "With networks" not in said
    assert "other eyes" not in said
    assert "With other eyes" in chance.say_how([lidar], scores, has_eyes=True)


def test_without_a_tested_claim_no_world_is_spoken_of(facts: Facts) -> None:
    claims = [claim | {"is_tested": False} for claim in facts.judged.claims]
    said = chance.say_how(claims, facts.scores)
    assert "worlds" not in said
    assert "in twenty" not in said


def test_gains_stand_beside_those_with_the_labels_moved(facts: Facts, section: Reader) -> None:
    (real,) = facts.judged.relocation
    luck = real | {"target": None, "value": 0.2, "p": 0.05}
    other = real | {"recipe": "place-alone"}
    found = tell(facts, relocation=[luck, other, real, real | {"scheme": "lad", "p": 0.5}])
    elsewhere_too = [record | {"scheme": "lad"} for record in facts.scores]
    found = replace(found, scores=[*facts.scores, *elsewhere_too])
    told = chance.gather(found)
    assert told is not None
    (here, rows), (elsewhere, (row,)) = told["moved"]
    assert [(each.target, each.sense) for each in rows] == [
        ("crime", "better"),
        # One in twenty placements gives as much.
        ("all scores", "even"),
    ]
    assert (row.sense, told["n_moved"]) == ("even", 40)
    said = section(report.draw_page(found), "chance")
    assert "turned over the place 40 times" in said
    assert "crime dense-vgg16 the mean ▲ 0.40 0.23 2%" in said
    assert "all scores dense-vgg16 the mean ● 0.20 0.23 5%" in said
    # What was not asked for is no row, and schemes that are not shown are folded.
    assert "place-alone" not in said
    here = here.replace("\xa0", " ")  # as the text of a section is read
    assert said.index(here) < said.index("all scores") < said.index(f"With {elsewhere}")


def test_without_a_claim_the_section_is_left_out_and_nothing_leads_there(
    facts: Facts, page: str
) -> None:
    assert 'id="chance"' in page
    assert page.count('href="#chance"') > 1
    without = tell(facts, claims=[], relocation=[])
    assert chance.gather(without) is None
    page = report.draw_page(without)
    assert 'id="chance"' not in page
    assert "#chance" not in page


def test_the_public_page_does_not_tell_a_claim_of_a_score_that_is_not_there(
    facts: Facts, judged_settings: Settings
) -> None:
    lidar, place = facts.judged.claims
    (moved,) = facts.judged.relocation
    unscored = {"recipe": "vgg16", "value": 0.77}
    over = {"recipe": "dense-vgg16", "versus": "vgg16"}
    more = [lidar | unscored, lidar | over, lidar | {"target": None}]
    found = tell(
        facts, claims=[lidar, place, *more], relocation=[moved, moved | unscored, moved | over]
    )
    release = decide_release(facts.samples.areas, judged_settings.publish)
    narrowed = narrow_facts(found, release)
    # A mean over targets, all of which are shown, stays.
    assert narrowed.judged.claims == [lidar, place, lidar | {"target": None}]
    assert narrowed.judged.relocation == [moved]
    told = chance.gather(narrowed)
    assert told is not None
    assert (told["lidar"], told["others"]) == ((2, 2), (0, 1))
