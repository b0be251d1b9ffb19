from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from basrelief.run import Notes, Run
from basrelief.sources.fetch.client import Client, ServiceError
from basrelief.sources.fetch.population import read_people
from basrelief.sources.labels import find_label_vintage, read_labels
from basrelief.typed import Typed


@pytest.fixture
def speak(start: Callable[..., str], make_client: Callable[..., Client]) -> Callable[[str], Client]:
    service = start("nomis")
    return lambda way: make_client({"www.nomisweb.co.uk": f"{service}/{way}"})


@pytest.mark.parametrize(("year", "n", "latest"), [(2021, 35_672, 2024), (2011, 34_753, 2020)])
def test_people_of_every_area_come_page_by_page(
    speak: Callable[[str], Client], tmp_path: Path, year: int, n: int, latest: int
) -> None:
    client = speak("plain")
    path = tmp_path / "people.csv"
    read_people(client, year).to_csv(path, index=False)
    typed = Typed("population", "people.csv", path)
    notes = Notes(Run(tmp_path / "run", quiet=True))
    people = read_labels(typed, targets=[], column=None, notes=notes)["population"]
    assert len(people) == n
    assert people["E01030000"] == 31_000
    assert f"mid {latest}" in path.read_text()[:200]
    vintage = find_label_vintage(typed, None)
    assert vintage is not None
    assert vintage[0] == year


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("cut", "gives 25,000 rows of 25,000 areas, and there are 35,672"),
        ("gap", "no number of people for some areas"),
        ("error", "answers '\"Error: the query is too large"),
    ],
)
def test_what_is_not_whole_is_refused(
    speak: Callable[[str], Client], way: str, message: str
) -> None:
    with pytest.raises(ServiceError, match=message):
        read_people(speak(way), 2021)
