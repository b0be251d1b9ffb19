"""OGC API – Features: by the standard, and by programs that read it without knowing us."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import geopandas as gpd
import numpy as np
import pytest
import shapely

from basrelief.reader import open_run
from basrelief.run import Run
from basrelief.serve.editions import read_edition
from basrelief.serve.features import CRS84, NATIONAL_GRID, Collection
from basrelief.serve.tiers import Tier

ITEMS = "/collections/town/items"


def pages_of(served: Any, path: str) -> list[Any]:
    """All pages from one on, by the links that each has to the next."""
    pages = [served.ask(path).json]
    while following := [link for link in pages[-1]["links"] if link["rel"] == "next"]:
        url = urlsplit(following[0]["href"])
        pages.append(served.ask(f"{url.path}?{url.query}").json)
    return pages


def test_the_landing_page_leads_to_all_that_there_is(public: Any) -> None:
    links = {link["rel"]: urlsplit(link["href"]).path for link in public.ask("/").json["links"]}
    assert {"self", "service-desc", "conformance", "data"} <= set(links)
    for rel in ("conformance", "data", "service-desc"):
        assert public.ask(links[rel]).status == 200
    conforms = public.ask("/conformance").json["conformsTo"]
    assert "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core" in conforms


def test_everybody_sees_the_collection_that_was_released_and_no_other(
    public: Any, analyst: Any
) -> None:
    names = [
        [each["id"] for each in s.ask("/collections").json["collections"]]
        for s in (public, analyst)
    ]
    assert names == [["town"], ["town", "town.crime"]]
    assert public.ask("/collections/town.crime/items").status == 401
    assert public.ask("/collections/town.nothing/items").status == 401
    assert analyst.ask("/collections/town.nothing/items").status == 404
    assert public.ask("/collections/nowhere").status == 404


def test_a_collection_carries_whose_it_is_what_it_is_worth_and_of_whom_it_is_not(
    public: Any, analyst: Any
) -> None:
    for served, name in ((public, "town"), (analyst, "town.crime")):
        told = served.ask(f"/collections/{name}").json
        assert "not of people" in told["note"]
        assert told["credits"][0]["licence"]
        assert told["attribution"]
        assert told["skill"][0]["target"] == "crime"
        assert told["coverage"] == {"areas_published": 20}
        assert told["license"]
        west, south, east, north = told["extent"]["spatial"]["bbox"][0]
        assert -9 < west < east < -7
        assert 49 < south < north < 50


def test_items_are_the_rows_that_were_released(public: Any, served_run: Run) -> None:
    released = json.loads((served_run.folder / "public" / "areas.geojson").read_text())
    found = public.ask(ITEMS).json
    assert found["type"] == "FeatureCollection"
    assert (found["numberMatched"], found["numberReturned"]) == (20, 20)
    for mine, theirs in zip(found["features"], released["features"], strict=True):
        assert mine["properties"] == theirs["properties"]
        assert shapely.from_geojson(json.dumps(mine["geometry"])).equals(
            shapely.from_geojson(json.dumps(theirs["geometry"]))
        )


def test_items_come_page_by_page_each_once(public: Any) -> None:
    pages = pages_of(public, f"{ITEMS}?limit=7")
    assert [page["numberReturned"] for page in pages] == [7, 7, 6]
    ids = [feature["id"] for page in pages for feature in page["features"]]
    assert ids == [f"E{i:02}" for i in range(20)]
    # And back, from a page that does not begin at a multiple of its length.
    page = public.ask(f"{ITEMS}?limit=7&offset=3").json
    (back,) = [link["href"] for link in page["links"] if link["rel"] == "prev"]
    before = public.ask(back.removeprefix(public.url)).json
    assert [feature["id"] for feature in before["features"]] == ["E00", "E01", "E02"]


def test_a_box_finds_what_meets_it(public: Any, served_run: Run) -> None:
    released = gpd.read_file(served_run.folder / "public" / "areas.geojson")
    box = released.geometry.iloc[[3, 4, 5]].union_all().buffer(-0.0001)
    wanted = released.loc[released.intersects(shapely.box(*box.bounds)), "area_id"].tolist()
    assert 0 < len(wanted) < 8
    asked = ",".join(map(str, box.bounds))
    found = public.ask(f"{ITEMS}?bbox={asked}").json
    assert [feature["id"] for feature in found["features"]] == wanted


def test_a_box_that_meets_an_outline_box_and_not_the_outline_finds_nothing(public: Any) -> None:
    assert public.ask(f"{ITEMS}?bbox=10,10,11,11").json["numberMatched"] == 0


def test_areas_are_given_on_the_national_grid(analyst: Any, served_run: Run) -> None:
    path = "/collections/town.crime/items"
    found = analyst.ask(f"{path}?crs={NATIONAL_GRID}&limit=1000")
    assert found.headers["content-crs"] == f"<{NATIONAL_GRID}>"
    shapes = [shapely.from_geojson(json.dumps(f["geometry"])) for f in found.json["features"]]
    table = open_run(served_run.folder).map("crime")
    assert all(a.equals(b) for a, b in zip(shapes, table.geometry, strict=True))
    # A box of metres, around the third square alone.
    one = analyst.ask(f"{path}?bbox=210,10,290,90&bbox-crs={NATIONAL_GRID}").json
    assert [feature["id"] for feature in one["features"]] == ["E02"]
    assert analyst.ask(path).headers["content-crs"] == f"<{CRS84}>"


def test_degrees_are_turned_to_the_national_grid_to_a_tenth_of_a_metre(served_run: Run) -> None:
    squares = gpd.GeoSeries(
        [shapely.box(x, y, x + 90, y + 70) for x, y in ((530_000, 180_000), (258_000, 665_000))],
        crs=27700,
    )
    degrees = shapely.transform(squares.to_crs(4326).to_numpy(), lambda xy: xy.round(6))
    edition = read_edition("town", served_run.folder)
    kept = Collection(
        *("town", "", "", Tier.PUBLIC, edition),
        ids=["a", "b"],
        properties=["{}", "{}"],
        shapes={CRS84: degrees},
        storage=CRS84,
    )
    turned = shapely.bounds(kept.shape_in(NATIONAL_GRID))
    assert np.abs(turned - squares.bounds.to_numpy()).max() < 0.15
    assert kept.find((529_000, 179_000, 531_000, 181_000), NATIONAL_GRID).tolist() == [0]


def test_an_analyst_sees_residuals_and_intervals(analyst: Any, served_run: Run) -> None:
    found = analyst.ask("/collections/town.crime/items/E07").json
    told = found["properties"]
    row = open_run(served_run.folder).map("crime").set_index("area_id").loc["E07"]
    assert told["residual"] == row["residual"]
    assert told["lower_80"] == row["lower_80"]
    assert told["lower_95"] is None
    assert {link["rel"] for link in found["links"]} == {"self", "collection"}
    assert analyst.ask("/collections/town.crime/items/E99").status == 404


@pytest.mark.parametrize(
    "asked",
    [
        *("bbox=1,2,3", "bbox=a,b,c,d", "bbox=nan,0,1,1", "bbox=0,0,inf,1", "bbox=0,1,1,0"),
        *("bbox=1,0,0,1", "limit=0", "limit=-1", "limit=x", "limit=1e3", "limit=%C2%B2"),
        *("offset=-1", "limit=9999999999", "crs=EPSG:4326", "bbox-crs=x", "datetime=soon"),
        *("f=html", "colour=red", "datetime=2019-01-01/2020-01-01/.."),
    ],
)
def test_what_is_not_understood_is_refused(asked: str, public: Any) -> None:
    found = public.ask(f"{ITEMS}?{asked}")
    assert found.status == 400
    assert asked.partition("=")[0] in found.json["description"]


def test_more_than_the_most_is_not_given(served_run: Run, tmp_path: Any, start: Any) -> None:
    (tmp_path / "serve.toml").write_text("max_items = 3\n")
    words = (str(served_run.folder), "--config", "serve.toml")
    with start(*words, cwd=tmp_path) as served:
        assert served.ask(f"{ITEMS}?limit=20").json["numberReturned"] == 3


def test_an_area_knows_no_time(public: Any) -> None:
    for moment in ("2019-01-01T00:00:00Z", "../2019-01-01T00:00:00Z", "2019-01-01/.."):
        assert public.ask(f"{ITEMS}?datetime={moment}").json["numberMatched"] == 20


def test_gdal_reads_the_collections(analyst: Any, served_run: Run) -> None:
    """GDAL's own driver, which pages and asks for boxes by itself, in a process of its own."""
    code = (
        "import geopandas, sys, pyogrio\n"
        "url = f'OAPIF:{sys.argv[1]}'\n"
        "print(*pyogrio.list_layers(url)[:, 0])\n"
        "table = geopandas.read_file(url, layer='town.crime')\n"
        "place = table.geometry.iloc[2].centroid.bounds\n"
        "some = geopandas.read_file(url, layer='town.crime', bbox=place)\n"
        "print(len(table), len(some), float(table['predicted'].sum()), table.crs.to_epsg())"
    )
    command = [sys.executable, "-c", code, analyst.url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    layers, figures = done.stdout.splitlines()
    assert layers.split() == ["town", "town.crime"]
    n, n_some, total, _ = figures.split()
    mine = open_run(served_run.folder).map("crime")
    assert (n, n_some) == ("20", "1")
    assert float(total) == pytest.approx(mine["predicted"].sum())
