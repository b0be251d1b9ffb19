"""The explore page: one map of a run, what an area is, and the files that may be taken."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from basrelief.serve.credits import credit
from basrelief.serve.editions import PUBLIC, Edition
from basrelief.serve.files import find_run
from basrelief.serve.guard import GuardedRoute, for_tier, person_of
from basrelief.serve.pages import hash_runs, tell_worth
from basrelief.serve.templates import answer_page, fill_page
from basrelief.serve.tiers import Tier

router = APIRouter(route_class=GuardedRoute)

MAP = "explore.json"
ABOUT = {
    "public/report.html": "the page for everybody",
    "public/areas.csv": "a table for a spreadsheet",
    "public/areas.geojson": "the same with outlines",
    "public/areas.md": "what the columns mean",
    "public/areas.pmtiles": "the same as vector tiles",
    "report.html": "the report",
    "model_card.md": "what the models are good for",
    "data_sheet.md": "where the data come from",
    "maps/areas.gpkg": "the maps with styles, for QGIS (GeoPackage)",
    "maps/areas.parquet": "all scores in one table (GeoParquet)",
    "maps/areas.pmtiles": "the same as vector tiles",
    "maps/relief.tif": "the lit ground (GeoTIFF)",
    "evaluate/residuals.parquet": "every prediction and its error",
    "evaluate/targeting.csv": "areas in the order of their predictions",
    "scores.json": "every skill and error",
    "inputs.json": "the input files, by hash",
}
"""What people take most, in this order."""


@router.get("/runs/{run}", summary="The map of a run")
@for_tier(Tier.PUBLIC)
async def get_explore(request: Request, run: str) -> Response:
    """Show the map of a run, and the files of it that whoever asks may take."""
    edition = find_run(request, run)
    tag = hash_runs(request, "explore", run)
    return answer_page(request, tag, lambda: _fill_explore(request, edition))


def _fill_explore(request: Request, edition: Edition) -> bytes:
    """Fill the explore page of a run."""
    tier = person_of(request).tier
    return fill_page(
        request,
        "explore.html.j2",
        run=edition.id,
        map=find_map(edition, tier),
        has_errors=tier >= Tier.ANALYST,
        worth=tell_worth(edition, tier),
        is_made_up=edition.publish.get("is_made_up", False),
        files=list_downloads(edition, tier),
        others=[other.id for other in request.app.state.shelf if other.id != edition.id],
        credits=credit(edition, tier)["credits"],
    )


@router.get("/runs/{run}/beside/{other}", summary="Two runs side by side")
@for_tier(Tier.PUBLIC)
async def get_beside(request: Request, run: str, other: str) -> Response:
    """Show two runs side by side."""
    # Asked for here, as a fault inside a frame would hardly be seen.
    runs = [find_run(request, name).id for name in (run, other)]
    tag = hash_runs(request, "beside", *runs)
    return answer_page(request, tag, lambda: fill_page(request, "beside.html.j2", runs=runs))


def find_map(edition: Edition, tier: Tier) -> str | None:
    """Find what the map of a run draws for a tier; None where there is nothing."""
    if tier >= Tier.ANALYST and MAP in edition.looks:
        return MAP
    return PUBLIC + MAP if MAP in edition.released else None


def list_downloads(edition: Edition, tier: Tier) -> list[tuple[str, str]]:
    """List the files that a tier may take, with what they are: what people take most first."""
    names = [*(PUBLIC + name for name in edition.released), *edition.list_files(tier)]
    # What the page itself draws is of no use to people.
    rest = [name for name in names if name not in ABOUT and not name.endswith(MAP)]
    return [(n, about) for n, about in ABOUT.items() if n in names] + [(n, "") for n in rest]
