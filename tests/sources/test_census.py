import pytest

from basrelief.config import InputError
from basrelief.sources.census import find_vintage, refuse_other_vintage


@pytest.mark.parametrize(
    ("columns", "year"),
    [
        (["LSOA11CD", "LSOA11NM"], 2011),
        (["LSOA code (2021)", "Theft"], 2021),
        (["geography code", "LSOA name (2011)"], 2011),
        (["LSOA21CD", "LSOA11NM"], 2021),
        (["lsoa01cd"], 2001),
    ],
)
def test_headings_tell_the_vintage(columns: list[str], year: int) -> None:
    assert (find_vintage(columns) or (0, ""))[0] == year


def test_headings_that_disagree_or_say_nothing_tell_none() -> None:
    assert find_vintage(["LSOA11CD", "LSOA21CD", "CHGIND"]) is None
    assert find_vintage(["area_id", "crime"]) is None
    assert find_vintage(["LSOA11CD", "LSOA21CD"], "LSOA21CD") == (2021, "LSOA21CD")


def test_another_vintage_is_refused_with_both_years_and_the_matches() -> None:
    says = r"b has LSOAs of 2021 \(column 'x'\), a has those of 2011 \(column 'y'\); 9 of 12 codes"
    with pytest.raises(InputError, match=says):
        refuse_other_vintage("b", (2021, "x"), "a", (2011, "y"), (9, 12))
    refuse_other_vintage("b", (2021, "x"), "a", (2021, "y"), (9, 12))
    refuse_other_vintage("b", None, "a", (2021, "y"), (9, 12))
