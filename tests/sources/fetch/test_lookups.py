from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import shapely

from basrelief.sources.changes import read_changes
from basrelief.sources.england import ENGLAND
from basrelief.sources.fetch.client import Client
from basrelief.sources.fetch.lookups import find_lookup
from basrelief.sources.fetch.offers import bring
from basrelief.sources.fetch.place import NamedPlace
from basrelief.sources.scotland import SCOTLAND
from basrelief.typed import Typed


def test_a_lookup_is_whole_for_every_area_that_it_has(
    start: Callable[..., str], make_client: Callable[..., Client], tmp_path: Path
) -> None:
    client = make_client({"services1.arcgis.com": f"{start('geography')}/plain"})
    place = NamedPlace("Testham", shapely.box(500_010, 180_010, 503_990, 183_990), ENGLAND)
    brought = bring(client, find_lookup(place), tmp_path / "out", client.say)
    assert brought.failures == ()
    pairs = read_changes(Typed("lookup", "l.csv", brought.files[0]))
    # The sixty-fifth lies in the other district, and is the other half of one of this.
    assert len(pairs) == 65
    split = pairs[pairs["change"] == "S"]
    assert split["new"].tolist() == ["E01000007", "E01001000"]
    assert set(split["old"]) == {"E01000007"}
    # The ground that the service has of the old one lies in one of its parts alone.
    assert split["shared_m2"].tolist() == [250_000.0, 0.0]
    assert pairs.loc[pairs["change"] == "U", "shared_m2"].isna().all()
    assert find_lookup(NamedPlace("g", place.polygon, SCOTLAND)) == []
