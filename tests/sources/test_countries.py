from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from basrelief.config import DataSettings, Settings
from basrelief.sources.census import COUNTRIES, RESIDENTS
from basrelief.sources.credits import find_credits
from basrelief.sources.targets import DOMAINS, NOT_BELOW_0, find_domains, find_target
from basrelief.tell.release.gate import count_people

SETTINGS = Settings(data=DataSettings(dsm="a", areas="b", labels="c", targets=["x"]))


@pytest.mark.parametrize(
    ("codes", "has", "has_not"),
    [
        (["E01000001"], ["Environment Agency", "English Indices"], ["Welsh", "Scottish"]),
        (["W01000001"], ["LIDAR of the Welsh", "Welsh Index"], ["Environment Agency", "English"]),
        (["S01006506"], ["Scottish Index", "Scottish Water"], ["Environment Agency", "ministry"]),
        (["E01000001", "W01000001"], ["English Indices", "Welsh Index"], ["Scottish"]),
        # Codes of a user's own say nothing; the usual words are better than none.
        (["mine"], ["Environment Agency"], ["Scottish"]),
        # Where every area is withheld, nobody is left out.
        ([None], ["Environment Agency", "Welsh Index", "Scottish Index"], []),
    ],
)
def test_credits_are_those_of_the_country(
    codes: list[Any], has: list[str], has_not: list[str]
) -> None:
    told = find_credits(SETTINGS, codes).words
    text = " ".join(part for pair in told for part in pair)
    assert [each for each in has if each not in text] == []
    assert [each for each in has_not if each in text] == []
    assert len(set(told)) == len(told)


def test_areas_of_scotland_are_drawn_for_fewer_people() -> None:
    codes = ["E01000001", "W01000001", "S01006506", "S00000001", "X"]
    people = count_people(pd.DataFrame({"area_id": codes}))
    assert people[:4].tolist() == [1000, 1000, 500, 50]
    assert pd.isna(people[4])
    assert len(RESIDENTS) == 9


def test_targets_made_of_ranks_are_known_and_may_lie_below_0() -> None:
    columns = ["area_id", "imd_from_rank", "access_from_rank", "imd rank (1 is most deprived)"]
    assert find_target(columns, "imd_from_rank") == "imd_from_rank"
    assert find_target(columns, "imd") is None
    assert find_domains(columns) == ["imd_from_rank", "access_from_rank"]
    assert not [name for name in NOT_BELOW_0 if name.endswith("_from_rank")]
    # What "all" stands for in England comes first, in its own order.
    assert DOMAINS[:8] == COUNTRIES[0].index.domains
