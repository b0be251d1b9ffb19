"""A configuration filled from the files that lie in a folder, each choice with its reason."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from basrelief.config import InputError
from basrelief.run import no_notes, replacing
from basrelief.sources.areas import list_names
from basrelief.sources.changes import read_changes
from basrelief.sources.coordinates import overlap
from basrelief.sources.crime import read_crime
from basrelief.sources.lidar import Mosaic, open_mosaic
from basrelief.sources.lying import LabelTable, Lying
from basrelief.sources.national_grid import NATIONAL_GRID, lies_in_square
from basrelief.sources.pairs import Pair, choose_pair
from basrelief.sources.pictures import read_pictures
from basrelief.sources.products import Product, read_name
from basrelief.sources.starter_eyes import Proposal, propose_overlays, propose_tables
from basrelief.sources.targets import find_target
from basrelief.sources.tiles import find_tiles
from basrelief.toml import format_value

NAME = "basrelief.toml"
WIDTH = 96

Route = Literal["pictures", "rasters"]


@dataclass(frozen=True)
class StarterLine:
    """A line of the configuration, and why it stands there."""

    key: str
    value: Any
    """None where it could not be told: then ``example`` stands behind a #."""

    why: str
    example: Any = None
    """What could stand there."""

    is_needed: bool = True
    """Whether nothing runs without it."""


@dataclass
class Starter:
    """A configuration as it is filled."""

    choices: list[StarterLine] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    """Tables of their own that could stand there too."""

    path: Path = Path()

    def add(self, key: str, value: Any, why: str, example: Any = None, needed: bool = True) -> None:
        """Add a line of ``[data]``."""
        self.choices.append(StarterLine(key, value, why, example, needed))

    @property
    def missing(self) -> list[str]:
        """Keys that somebody has to fill in before it runs."""
        return [each.key for each in self.choices if each.value is None and each.is_needed]


def write_starter(
    folder: Path, route: Route | None = None, label_year: int | None = None
) -> Starter:
    """Write ``basrelief.toml`` into a folder, filled from the files that lie there.

    Parameters
    ----------
    route
        Whether the input is pictures or rasters; None to go by what lies there.
    label_year
        Of which most of the labels are about, where their table does not tell.

    Raises
    ------
    InputError
        If there is one already, no such folder, or neither or both of pictures and rasters.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder. Give the folder in which the data lie.")
    path = folder / NAME
    # Also over an older one of its own: somebody may have changed it by hand since.
    if path.exists():
        raise InputError(
            f"{path}: is there already, and nothing is written over it. Move it, or change it by "
            "hand; basrelief check tells what is odd about it."
        )
    lying = Lying(folder)
    starter = Starter(path=path)
    chosen = route or _tell_route(lying)
    (_fill_pictures if chosen == "pictures" else _fill_rasters)(lying, starter)
    if label_year is not None:
        why = (
            "Most indicators of these labels are of about this year; change it if you know better."
        )
        starter.add("label_year", label_year, why)
    try:
        with replacing(path) as part:
            part.write_text(_format(starter, lying), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}).") from error
    return starter


def _tell_route(lying: Lying) -> Route:
    """Tell by what lies there whether a run would be of pictures or of rasters."""
    has_pictures = bool(lying.picture_tables and lying.picture_folders)
    # A hillshade as PNG beside the tiles is common, and says nothing of what is meant.
    if has_pictures and lying.rasters:
        raise InputError(
            f"{lying.folder}: holds pictures ({lying.picture_folders[0][0]}) and rasters. Say "
            "which is meant: --pictures or --rasters."
        )
    if not has_pictures and not lying.rasters:
        clouds = [name for name in lying.names if name.lower().endswith((".las", ".laz"))]
        # Whoever has a point cloud has heights, and would not know what is wrong with them.
        told = f" Point clouds ({list_names(clouds, 2)}) are not read: grid them." if clouds else ""
        raise InputError(
            f"{lying.folder}: neither rasters of heights (.tif, .asc, .img, .zip) nor pictures "
            "with a table lie there. Put them there, or say --rasters or --pictures for an empty "
            f"form; basrelief fetch brings official data.{told}"
        )
    return "pictures" if has_pictures else "rasters"


def _fill_pictures(lying: Lying, starter: Starter) -> None:
    """Choose the folder of pictures and the table whose rows have most of them."""
    best: tuple[int, str, str] | None = None
    for images, _ in lying.picture_folders:
        for table in lying.picture_tables:
            n_rows = _count_rows(lying, images, table)
            # By rows that match and not by files: a folder of figures has pictures, too.
            if n_rows and (best is None or n_rows > best[0]):
                best = (n_rows, images, table)
    if best is None:
        why = "no folder of pictures here has rows in a table with a column id or image_location"
        starter.add("images", None, f"The folder of pictures: {why}.", "LIDAR")
        starter.add("table", None, "A table with a row a picture.", "pictures.csv")
        return
    n_rows, images, table = best
    starter.add("images", images, f"{dict(lying.picture_folders)[images]} pictures.")
    starter.add("table", table, f"{n_rows} of its rows have a picture there.")
    _add_targets(starter, next((t for t in lying.labels if t.name == table), None))


def _count_rows(lying: Lying, images: str, table: str) -> int:
    typed = lying.typed("images", images), lying.typed("table", table)
    try:
        found = read_pictures(
            *typed, targets=[], area_column=None, notes=no_notes(), needs_labels=False
        )
    except InputError:
        return 0
    return len(found.frame)


def _fill_rasters(lying: Lying, starter: Starter) -> None:
    """Choose rasters, boundaries and labels that are of one place and of the same areas."""
    surface = _choose_surface(lying, starter)
    _choose_terrain(lying, starter, surface)
    pair = choose_pair(lying, surface.mosaic) if surface else None
    if surface is None or pair is None:
        _leave_areas(lying, starter)
        return
    starter.add("areas", pair.areas, pair.describe_areas())
    starter.add("labels", pair.labels.name, pair.describe_labels())
    _choose_lookup(lying, starter, pair)
    _choose_crime(lying, starter, pair)
    _add_targets(starter, pair.labels)
    starter.proposals += propose_overlays(lying, surface.mosaic, surface.crs)
    starter.proposals += propose_tables(lying, pair)


@dataclass(frozen=True)
class _Surface:
    """The surface rasters, opened."""

    mosaic: Mosaic
    names: list[str]
    crs: str | None
    """Of files that carry none."""


def _choose_surface(lying: Lying, starter: Starter) -> _Surface | None:
    """Choose the surface rasters, by their names; of several places those with most files."""
    # Where no name tells: what lies there is more often a surface, and it is said.
    product: Product | None = "surface" if "surface" in lying.rasters else None
    names = lying.rasters.get(product, [])
    told = "surface models by their names"
    if product is None:
        told = "taken for surface models, which their names do not say: check it"
    why, example = "Surface models (DSM), as a pattern: none is known by its name.", "*DSM*.tif"
    for group in _group(names):
        pattern, crs = lying.find_pattern(group), _tell_crs(lying, group)
        if pattern is None:
            continue
        try:
            mosaic = open_mosaic(lying.typed("dsm", pattern), crs, no_notes())
        except InputError as error:
            # Files of two places do not lie on one grid; those of one may.
            why, example = f"Surface models (DSM). This cannot be opened: {error}", pattern
            continue
        n_others = len(names) - len(group)
        others = f"; {n_others} others lie elsewhere" if n_others else ""
        cell = f"cells of {mosaic.grid.cell_m:g} m"
        starter.add("dsm", pattern, f"{_count(group)}, {cell}, {told}{others}.")
        if crs is not None:
            why = "The files carry no CRS; they lie where the National Grid has their names."
            starter.add("crs", crs, why)
        return _Surface(mosaic, group, crs)
    starter.add("dsm", None, why, example)
    return None


def _choose_terrain(lying: Lying, starter: Starter, surface: _Surface | None) -> None:
    """Choose the terrain rasters that lie where the surface does."""
    why = "Terrain models (DTM). Without them the ground is estimated from the surface."
    for group in _group(lying.rasters.get("terrain", [])):
        pattern = lying.find_pattern(group)
        if pattern is not None and surface is not None and _is_beside(lying, pattern, surface):
            starter.add("dtm", pattern, f"{_count(group)}, terrain models by their names.")
            return
    # "DEM" is said of terrain and of surface; a wrong one would make every building a hill.
    untold = [n for n in lying.rasters.get(None, []) if surface and n not in surface.names]
    near = [
        pattern
        for pattern in (lying.find_pattern(group) for group in _group(untold))
        if pattern and surface and _is_beside(lying, pattern, surface)
    ]
    if near:
        why += f" {near[0]} does not say whether it is: take the # away if it is."
    starter.add("dtm", None, why, near[0] if near else "lidar/*DTM*.tif", needed=False)


def _is_beside(lying: Lying, pattern: str, surface: _Surface) -> bool:
    """Whether rasters lie where the surface does."""
    try:
        tiles = find_tiles(lying.typed("dtm", pattern))
    except InputError:
        return False
    return any(overlap(tile.grid.bounds, surface.mosaic.grid.bounds) for tile in tiles)


def _group(names: Sequence[str]) -> list[list[str]]:
    """Give all files if they are of one kind, then those of single folders, most files first."""
    by_place: dict[tuple[Path, str], list[str]] = {}
    for name in names:
        by_place.setdefault((Path(name).parent, Path(name).suffix.lower()), []).append(name)
    groups = sorted(by_place.values(), key=len, reverse=True)
    is_one_kind = len({suffix for _, suffix in by_place}) == 1
    return [list(names), *groups] if len(groups) > 1 and is_one_kind else groups


def _tell_crs(lying: Lying, names: Sequence[str]) -> str | None:
    """Tell the CRS of rasters that carry none: National Grid where all lie as they are called."""
    try:
        tiles = [tile for n in names for tile in find_tiles(lying.typed("dsm", n))]
    except InputError:
        return None
    # A tile that carries a CRS speaks for itself; the line in the configuration is for the others.
    bare = [tile for tile in tiles if tile.crs is None]
    for tile in bare:
        square = read_name(tile.name).square
        # One that lies elsewhere is enough: its name may mean a square of another country's grid.
        if square is None or not lies_in_square(tile.grid, square):
            return None
    return NATIONAL_GRID if bare else None


def _leave_areas(lying: Lying, starter: Starter) -> None:
    """Leave boundaries and labels to the user, with what lies there."""
    drawn, tables = lying.boundaries, [table.name for table in lying.labels]
    why = "Polygons of small areas with their codes"
    if drawn:
        why += f"; here lie {list_names(drawn, 5)}, and which are of the place could not be told"
    starter.add("areas", None, f"{why}.", drawn[0] if drawn else "areas.gpkg")
    why = "A table of scores by the codes of these areas"
    if tables:
        why += f"; here lie {list_names(tables, 5)}"
    starter.add("labels", None, f"{why}.", tables[0] if tables else "labels.csv")


def _choose_lookup(lying: Lying, starter: Starter, pair: Pair) -> None:
    """Take a lookup between censuses that knows the areas; without use it changes nothing."""
    for name in lying.lookups:
        try:
            pairs = read_changes(lying.typed("lookup", name))
        except InputError:
            continue
        if not pair.codes.isdisjoint({*pairs["old"], *pairs["new"]}):
            why = "What became of LSOAs of 2011: used where a table has those of another census "
            starter.add("lookup", name, f"{why}than the boundaries.")
            return


def _choose_crime(lying: Lying, starter: Starter, pair: Pair) -> None:
    """Take counts of crime where rates of these areas can be made of them."""
    for group in _group(lying.crime):
        pattern = lying.find_pattern(group)
        if pattern is None:
            continue
        try:
            # Read whole, for only the codes of its rows tell whether it is of these areas.
            counts = read_crime(lying.typed("crime", pattern), None, no_notes())
        except InputError:
            # Of two offices: those of one may go together.
            continue
        if pair.codes.isdisjoint(counts.counts.index):
            continue
        # Rates by File 8 and rates by counts would be two columns of one name.
        twice = [n for n in counts.categories if find_target(pair.labels.headings, n)]
        lacks = "" if pair.labels.has_population else "has no column population, for rates"
        lacks = f"has {twice[0]!r} itself" if twice else lacks
        why = f"{_count(group)} of recorded crime"
        if lacks:
            why = f"{why}; not taken, for {pair.labels.name} {lacks}."
            starter.add("crime", None, why, pattern, needed=False)
        else:
            starter.add("crime", pattern, f"{why}, for rates per 1,000 people.")
        return


def _add_targets(starter: Starter, table: LabelTable | None) -> None:
    """Choose what is predicted: all domains, or what is known by its heading."""
    headings = [h for h in table.headings if h][:8] if table else []
    if table and table.domains:
        # "all" takes the categories of counts too, where there are any.
        has_crime = any(each.key == "crime" and each.value for each in starter.choices)
        more = ", and each category of crime" if has_crime else ""
        why = f"The index and its domains: {', '.join(table.domains)}{more}."
        starter.add("targets", "all", why)
    elif table and table.known:
        starter.add("targets", list(table.known), "What the table is known to have.")
    else:
        why = "Columns of numbers to predict; none is known by its heading. The table has: "
        starter.add("targets", None, why + f"{', '.join(headings)}.", headings[-1:] or ["crime"])


def _format(starter: Starter, lying: Lying) -> str:
    """Write the choices as TOML, each below its reason."""
    lines = [
        "# Filled in from what lies in this folder; every line says why it stands there.",
        "# Paths start from this folder. What could not be told stands behind a #: write it and",
        "# take the # away. Try it: basrelief check basrelief.toml",
        "",
        "[data]",
    ]
    for choice in starter.choices:
        lines += _wrap(choice.why)
        is_told = choice.value is not None
        value = format_value(choice.value if is_told else choice.example)
        lines += [f"{'' if is_told else '# '}{choice.key} = {value}", ""]
    for proposal in starter.proposals:
        lines += [*_wrap(proposal.why), f"# [{proposal.header}]"]
        lines += [f"# {key} = {format_value(value)}" for key, value in proposal.keys.items()]
        lines += [""]
    lines += ["[models]", *_format_weights(lying)]
    return "\n".join(lines) + "\n"


def _wrap(text: str) -> list[str]:
    """Write a reason as lines of remarks."""
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")


def _format_weights(lying: Lying) -> list[str]:
    """Write which weights VGG16 is given, which the recipes by default use."""
    own = [name for name in lying.weights if "vgg16" in Path(name).name.lower()]
    why = "# Weights of VGG16, which recipes use by default; without this line over the network."
    given = format_value({"vgg16": own[0] if own else "vgg16.safetensors"})
    return [why, f"{'' if own else '# '}weights = {given}"]


def _count(names: Sequence[str]) -> str:
    return f"{len(names)} file{'s' if len(names) > 1 else ''}"
