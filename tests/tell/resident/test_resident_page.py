"""The public page: whether a resident can read it, and what it may not leave out."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyphen import Pyphen

from basrelief.config import Settings
from basrelief.run import Run, read_json, write_json
from basrelief.sources.credits import InputCredits
from basrelief.sources.licences import Credit
from basrelief.stage_settings import PublishSettings
from basrelief.tell.facts import read_facts
from basrelief.tell.release.gate import decide_release
from basrelief.tell.release.narrow import narrow_facts
from basrelief.tell.resident.page import draw_public_page
from basrelief.tell.stage import tell_run

MOST_WORDS, OLDEST = 700, 14

SYLLABLES = Pyphen(lang="en_GB")

JARGON = ("chip", "fold", "skill", "recipe", "LSOA", "MSOA", "IMD", "nDSM", "DSM", "R²")


@pytest.fixture(scope="module", params=["better", "unsure"])
def judged(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    write_judged: Callable[[Path], Run],
    open_settings: Settings,
) -> tuple[Run, bool]:
    """A run that was told, and whether anything was learnt in it."""
    run = write_judged(tmp_path_factory.mktemp(request.param) / "run")
    records = read_json(run.scores)
    write_json(run.scores, [records[0] | {"worth": request.param}, *records[1:]])
    publish = {"authors": ["Ann <b>Lee</b>", "Bob"], "contact": "ann@council.example"}
    settings = open_settings.publish.model_copy(update=publish)
    tell_run(open_settings.model_copy(update={"publish": settings}), run)
    return run, request.param == "better"


def read_page(run: Run) -> str:
    return (run.folder / "public" / "report.html").read_text(encoding="utf-8")


def read_text(page: str, *left_out: str) -> str:
    """Read the words of a page, but for those of some elements."""
    gone = "|".join(("script", "style", "title", *left_out))
    text = re.sub(rf"<({gone})\b.*?</\1>|<!--.*?-->", " ", page, flags=re.DOTALL)
    # What is no sentence ends like one, so that two are not read as one.
    text = re.sub(r"([^.?!:])\s*</(?:h1|h2|h3|dt|dd|li|p|figcaption)>", r"\1. ", text)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)))


def count_syllables(word: str) -> int:
    """Count syllables by where a word may be parted, or by its vowels, whichever are more."""
    vowels = len(re.findall(r"[aeiouy]+", word.lower().removesuffix("e")))
    return max(len(SYLLABLES.positions(word)) + 1, vowels)


def measure_grade(text: str) -> float:
    """Measure the school grade that reads a text (Kincaid et al. 1975): five years old is 0."""
    words = re.findall(r"[A-Za-z][A-Za-z']*", text)
    n_sentences = len(re.findall(r"[.?!](?=\s)", f"{text} "))
    n_syllables = sum(map(count_syllables, words))
    return 0.39 * len(words) / n_sentences + 11.8 * n_syllables / len(words) - 15.59


def test_known_grades() -> None:
    assert measure_grade("The cat sat on the mat.") == pytest.approx(-1.45, abs=0.01)
    assert [count_syllables(word) for word in ("area", "deprivation", "score", "official")] == [
        *(2, 4, 1, 3),
    ]


def check_words(page: str) -> None:
    """Check that a page is short, easy, and without jargon."""
    words = read_text(page)
    assert len(words.split()) <= MOST_WORDS
    prose = read_text(page, "q", "table", "form")
    assert measure_grade(prose) + 5 <= OLDEST
    assert [word for word in JARGON if re.search(rf"\b{word}", words)] == []
    if "LIDAR" in words:
        assert "LIDAR is a laser that measures heights from the air" in words


def test_a_resident_can_read_it(judged: tuple[Run, bool]) -> None:
    check_words(read_page(judged[0]))


def test_a_resident_can_read_that_of_a_town(town_run: Run) -> None:
    check_words(read_page(town_run))


def test_what_is_hard_to_read_is_found() -> None:
    hard = "<p>The heterogeneity of intercorrelated socioeconomic characteristics notwithstanding, "
    hard += "multidimensional deprivation necessitates interdisciplinary investigation.</p>"
    with pytest.raises(AssertionError):
        check_words(hard)
    with pytest.raises(AssertionError):
        check_words(f"<p>{'It is so. ' * 300}</p>")


def test_the_first_screen_answers_four_questions(judged: tuple[Run, bool]) -> None:
    run, is_learnt = judged
    page = read_page(run)
    first = page[page.index("<header>") : page.index("</header>")]
    terms = re.findall(r"<dt>([^<]+)</dt>", first)
    assert terms == ["What was asked", "For where", "How sure", "What not to do with it"]
    assert ("It beats a blind guess." in first) == is_learnt
    assert ("Not at all. It could not be shown to beat a blind guess." in first) != is_learnt
    assert "20 of 20 areas shown." in first
    # A map of what is no better than a guess would be read as knowledge.
    assert ('id="map-view"' in page) == is_learnt


def test_who_made_it_stands_there_and_is_no_markup(judged: tuple[Run, bool]) -> None:
    page = read_page(judged[0])
    assert "Made by Ann &lt;b&gt;Lee&lt;/b&gt; and Bob, with the program basrelief on " in page
    assert '<a href="mailto:ann@council.example">ann@council.example</a>' in page
    assert re.search(r"basrelief on \d{1,2} [A-Z][a-z]+ 20\d\d\.", page)


def test_the_cards_name_them_too(judged: tuple[Run, bool]) -> None:
    folder = judged[0].folder
    card, sheet = ((folder / f"{name}.md").read_text() for name in ("model_card", "data_sheet"))
    assert "**Who made it:** Ann &lt;b>Lee&lt;/b> and Bob." in card
    assert "**Questions and complaints:** ann@council.example." in card
    assert "The run was made by Ann &lt;b>Lee&lt;/b> and Bob; who paid is not known." in sheet


@pytest.mark.parametrize(
    ("contact", "link"),
    [
        ("https://council.example/ask", 'href="https://council.example/ask"'),
        ("javascript:alert(1)", None),
        ("Room 5 <b>", None),
    ],
)
def test_only_addresses_are_links(
    write_judged: Callable[[Path], Run],
    open_settings: Settings,
    tmp_path: Path,
    contact: str,
    link: str | None,
) -> None:
    run = write_judged(tmp_path / "run")
    publish = PublishSettings(allow="nothing", contact=contact)
    tell_run(open_settings.model_copy(update={"publish": publish}), run)
    page = read_page(run)
    asked = page[page.index("Questions: ") :]
    assert html.escape(contact) in asked
    assert (link in asked) if link else ("<a " not in asked)


def read_layers(page: str) -> list[dict[str, Any]]:
    found = page[page.index('id="map-layers">') :].partition(">")[2].partition("</script>")[0]
    layers: list[dict[str, Any]] = json.loads(found)
    return layers


def test_both_pages_have_the_same_breaks(town_run: Run) -> None:
    mine = {
        layer["name"]: layer["scores"]["breaks"]
        for layer in read_layers(town_run.report.read_text(encoding="utf-8"))
    }
    public = read_layers(read_page(town_run))
    assert public
    for layer in public:
        assert layer["scores"]["breaks"] == mine[layer["name"].lower()]
        assert layer["meaning"].endswith("Higher is worse.")


def test_the_map_lies_on_the_relief_of_the_town(town_run: Run) -> None:
    page = read_page(town_run)
    relief = json.loads(
        page[page.index('id="map-relief">') :].partition(">")[2].partition("</script>")[0]
    )
    assert relief["picture"].startswith("data:image/png;base64,")
    assert len(relief["picture"]) < 300_000 * 4 / 3 + 100


def test_of_a_real_place_the_hills_are_said_to_be_real(
    town_settings: Settings, town_run: Run
) -> None:
    facts = replace(read_facts(town_settings, town_run), truth={})
    release = decide_release(facts.samples.areas, town_settings.publish)
    assert "The hills under them are real." in draw_public_page(narrow_facts(facts, release))


def test_a_guess_whose_data_they_are_is_called_one(town_settings: Settings, town_run: Run) -> None:
    known, usual = (Credit(f"the {name}", "terms", name, "") for name in ("fetched", "guessed"))
    facts = replace(read_facts(town_settings, town_run), credits=InputCredits((known,), (usual,)))
    release = decide_release(facts.samples.areas, town_settings.publish)
    page = draw_public_page(narrow_facts(facts, release))
    doubt = page.index("Nobody checked whose these files are.")
    assert page.index("<q>fetched</q>") < doubt < page.index("<q>guessed</q>")


def test_a_made_up_town_is_nobodys_and_has_no_real_hills(town_run: Run) -> None:
    """Its codes are those of a country, whose census drew it as little as anybody flew over it."""
    for page in (read_page(town_run), (town_run.folder / "report.html").read_text("utf-8")):
        assert "made up" in page or "made-up" in page
        for owner in ("Environment Agency", "Office for National Statistics"):
            assert owner not in page
    text = read_text(read_page(town_run))
    for said in ("hills under them are real", "The census drew"):
        assert said not in text
