"""The map stage: the maps of a run, to be opened in QGIS, read by programs, and printed."""

from __future__ import annotations

import shutil

from basrelief.config import Settings
from basrelief.names import name_file
from basrelief.run import Run, replacing, write_json
from basrelief.tell.facts import read_facts
from basrelief.tell.maps.contributions import read_contributions, write_rasters
from basrelief.tell.maps.geopackage import join_layers, list_layers, write_geopackage
from basrelief.tell.maps.layers import gather_layers
from basrelief.tell.maps.qgis_project import write_project
from basrelief.tell.maps.relief import write_relief
from basrelief.tell.maps.static_maps import draw_static
from basrelief.tell.relief import FILE as RELIEF
from basrelief.tell.tiles import FILE as TILES
from basrelief.tell.tiles import write_tiles


def write_maps(settings: Settings, run: Run) -> None:
    """Write ``maps/`` anew: layers with styles, contribution maps, relief, a drawing a target.

    ``areas.gpkg`` has one layer a target, ``areas.qgz`` opens all of them in QGIS in groups and in
    order, ``areas.parquet`` one row an area, ``areas.pmtiles`` the same as tiles, ``layers.json``
    says whose predictions they are. Pictures have no places, so there is no folder for them.

    Raises
    ------
    InputError
        If a stage that it draws from has not run.
    """
    facts = read_facts(settings, run)
    layers = gather_layers(facts)
    if not layers:
        # Maps of an earlier run would be taken for this one's.
        shutil.rmtree(run.maps, ignore_errors=True)
        run.say("map: no area was predicted in a known place, so there is nothing to draw")
        return
    with replacing(run.maps) as part:
        part.mkdir()
        write_geopackage(layers, part / "areas.gpkg")
        wide = join_layers(layers)
        wide.to_parquet(part / "areas.parquet")
        write_tiles(wide, part / TILES)
        write_json(part / "layers.json", list_layers(layers))
        for layer in run.track(layers, "map"):
            drawing = part / f"{name_file(layer.target)}.svg"
            drawing.write_text(draw_static(layer), encoding="utf-8")
        write_rasters(read_contributions(run), run, part)
        write_relief(facts.samples, part / RELIEF)
        # Last, as it looks for the styles and the ground that lie there.
        write_project(layers, read_contributions(run), part)
    run.say(f"map: {len(layers)} layers of {len(layers[0].table)} areas in {run.maps}")
