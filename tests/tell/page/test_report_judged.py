from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from basrelief.config import Settings
from basrelief.run import Run
from basrelief.tell.facts import Facts, read_facts
from basrelief.tell.page import report, sureness, targeting
from basrelief.tell.senses import SENSES

Reader = Callable[[str, str], str]
N_AREAS, N_INNER = 20, 4


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, write_judged: Callable[[Path], Run]) -> Run:
    return write_judged(tmp_path_factory.mktemp("judged") / "run")


@pytest.fixture(scope="module")
def page(judged: Run, judged_settings: Settings) -> str:
    report.write_page(read_facts(judged_settings, judged))
    return judged.report.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def facts(judged: Run, judged_settings: Settings) -> Facts:
    return read_facts(judged_settings, judged)


def test_the_verdict_names_what_is_worth_having(page: str, section: Reader) -> None:
    said = section(page, "verdict")
    assert "For crime: LIDAR is worth having with whole 1\xa0km blocks" in page
    assert "◆ dense-vgg16 skill 0.40, R² 0.50" in said


def test_what_a_recipe_beats_is_said_in_words_with_a_sign(page: str, section: Reader) -> None:
    said = section(page, "results")
    assert "▲ beats the mean [LIDAR] and place-alone [LIDAR, place]" in said
    assert "Preferred: ◆ dense-vgg16 , the simplest that beats the mean" in said


def test_the_audit_says_its_sentences_before_its_table(page: str, section: Reader) -> None:
    said = section(page, "audit")
    assert said.index(
        "Crime: place alone, without any LIDAR, has skill 0.00 with whole blocks"
    ) < said.index("skill with held out")
    assert "−0.30" in said


def test_intervals_that_are_too_narrow_are_called_so(page: str, section: Reader) -> None:
    assert "→← too narrow at 50%" in section(page, "sureness")
    assert "80%: 2.50 wide" in page


def test_intervals_without_a_miss_are_in_no_colour(facts: Facts) -> None:
    held = [r for r in facts.judged.coverage if r["level"] == 80]
    found = sureness.gather(replace(facts, judged=replace(facts.judged, coverage=held)))
    assert found is not None
    (row,) = found["rows"]
    assert row.statement.words == "a miss cannot be told"
    assert SENSES[row.sense].tone == "even"


@pytest.mark.parametrize(
    ("interval", "said", "unsaid"),
    [
        ("refitted", "other labels of the same kind", "held fixed"),
        ("resampled", "not with another training", "fitted anew"),
    ],
)
def test_a_limit_says_of_ranges_what_they_are(
    facts: Facts, section: Reader, interval: str, said: str, unsaid: str
) -> None:
    scores = [record | {"interval": interval} for record in facts.scores]
    limits = section(report.draw_page(replace(facts, scores=scores)), "limits")
    assert said in limits
    assert unsaid not in limits
    assert "No range covers other places or other years." in limits


def test_failures_are_told_in_words_and_on_a_striped_map(page: str, section: Reader) -> None:
    said = section(page, "failures")
    assert "35% of the areas are put into the right tenth and 70%" in said
    assert "Neighbouring areas err alike (Moran's I 0.31, p 0.002)".replace("'", "&#39;") in said
    assert f"{N_INNER} of {N_AREAS} areas lie outside the area of applicability" in said
    assert "<pattern" in page[page.index('id="failures"') :]
    assert "Barnet 20" in said


def test_who_would_be_found_is_held_against_chance_and_what_sees_no_lidar(
    page: str, section: Reader, facts: Facts
) -> None:
    said = section(page, "targeting")
    # LIDAR alone without its LIDAR is a blind pick.
    assert ">3 of 4 found<" in page
    record = facts.judged.targeting[0] | {"versus": "place-and-district", "versus_hit_rate": 0.25}
    joint = replace(facts.judged, targeting=[record])
    found = targeting.gather(replace(facts, judged=joint))
    assert found
    (chart,) = found["charts"]
    (row,) = chart["rows"]
    assert row.note == "3 of 4 found; place and district without LIDAR 25%, cannot be told apart"
    assert "▲ better than chance" in said
    assert said.count("▨ outside") == 2
    assert "evaluate/targeting.csv" in said


def test_daily_crimes_are_drawn_where_they_were_counted(page: str) -> None:
    assert "Recorded crimes a day in 2 boroughs" in page


def test_only_what_is_drawn_is_read(facts: Facts) -> None:
    assert set(facts.predictions["recipe"]) == {"dense-vgg16"}
    assert facts.shown == {"crime": "dense-vgg16"}
    assert facts.asked == ["dense-vgg16"]
