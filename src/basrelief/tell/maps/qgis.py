"""Styles as QGIS writes them (QML), so that a layer opens with its classes and its legend.

QGIS reads the styles of a GeoPackage's layers from its table ``layer_styles``, and that of a
raster from the ``.qml`` file beside it. Written for QGIS 3.22 and later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any
from xml.etree import ElementTree as Xml

from basrelief.judge.tables import INTERVALS
from basrelief.names import name_file
from basrelief.run import Record
from basrelief.style import BLACK, EDGE, WHITE, read_rgb
from basrelief.tell.maps.classes import Classes
from basrelief.tell.maps.layers import MapLayer

WIDTH = "width of the 80% interval"
"""The style that shows how wide intervals are."""

ADDED = ("recipe", "scheme")
"""Columns that every layer of the GeoPackage has beside those of the map."""

FIELDS = {
    "area_id": "code of the area",
    "area_name": "name of the area",
    "district": "district",
    "lad": "code of its district",
    "msoa": "code of its MSOA",
    "ground_covered": "ground with heights (share, 0 to 1)",
    "is_used": "whether it was learnt from and tested",
    "label_year": "year that the scores speak of",
    "flown_from": "first year of flight",
    "flown_to": "last year of flight",
    "years_apart": "between flight and score (years)",
    "tenth": "tenth of the nation by the official score (1 the most deprived)",
    "is_inside": "whether the model was made for such areas",
    "recipe": "recipe that predicts",
    "scheme": "how ground was held out",
}
"""Names of columns whose unit is no target's."""

GEOMETRY = "geom"
"""Name of the geometry column; styles are looked up by it."""

VERSION = "3.22.0"
DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"

STRIPED = '"is_inside" = FALSE'
BLANK = "0,0,0,0"
"""No colour, as QGIS writes it."""


@dataclass
class Rules:
    """Rules of a style that grows: filter, legend and symbol of each."""

    rules: Xml.Element = field(default_factory=lambda: Xml.Element("rules", key="rules"))
    symbols: Xml.Element = field(default_factory=lambda: Xml.Element("symbols"))

    def add(self, wanted: str, label: str, symbol_layers: list[Xml.Element]) -> None:
        """Add a rule that draws what it wants with one symbol."""
        name = str(len(self.symbols))
        given = {"key": f"rule-{name}", "symbol": name, "label": label, "filter": wanted}
        Xml.SubElement(self.rules, "rule", given)
        symbol = Xml.SubElement(self.symbols, "symbol", _name_symbol("fill", name))
        symbol.extend(symbol_layers)

    def write(self, about: Sequence[Xml.Element] = ()) -> str:
        """Write the style, and what else QGIS is to be told about the layer."""
        categories = "Symbology|Fields|MapTips" if about else "Symbology"
        root = Xml.Element("qgis", version=VERSION, styleCategories=categories)
        root.extend(about)
        renderer = Xml.SubElement(root, "renderer-v2", type="RuleRenderer", symbollevels="0")
        renderer.extend([self.rules, self.symbols])
        return DOCTYPE + Xml.tostring(root, encoding="unicode")


def list_styles(layer: MapLayer) -> list[Record]:
    """List a layer's rows of ``layer_styles``, the default first; the time is not among them.

    The predicted and the observed have the same classes. Areas outside the area of
    applicability are striped in every style but the observed.
    """
    return [
        {
            # Empty, not null: QGIS asks for rows where they equal ''.
            "f_table_catalog": "",
            "f_table_schema": "",
            "f_table_name": name_file(layer.target),
            "f_geometry_column": GEOMETRY,
            "styleName": name,
            "styleQML": qml,
            "styleSLD": "",
            "useAsDefault": name == "predicted",
            "description": f"{layer.name}, {name}. {layer.say()}",
            "owner": "",
            "ui": "",
        }
        for name, qml in draw_styles(layer).items()
    ]


def draw_styles(layer: MapLayer) -> dict[str, str]:
    """Draw a layer's styles by name; all of them say what its fields and its areas are."""
    width = '("upper_80" - "lower_80")'
    drawn = {
        "predicted": classify('"predicted"', layer.classes, "not predicted", STRIPED),
        "observed": classify('"observed"', layer.classes, "no score"),
        "residual": classify('"residual"', layer.residuals, "not predicted", STRIPED),
        WIDTH: classify(width, layer.widths, "no interval", STRIPED),
    }
    return {name: style.write(describe_layer(layer)) for name, style in drawn.items()}


def describe_layer(layer: MapLayer) -> list[Xml.Element]:
    """Say what a layer's fields are, with units, and what is told of an area pointed at."""
    aliases = Xml.Element("aliases")
    for place, (name, alias) in enumerate(name_fields(layer).items()):
        # QGIS goes by the name; the place is there because its own files have one.
        Xml.SubElement(aliases, "alias", {"field": name, "index": str(place), "name": alias})
    tip = Xml.Element("mapTip")
    tip.text = write_tip(layer)
    return [aliases, tip]


def name_fields(layer: MapLayer) -> dict[str, str]:
    """Name the fields of a layer as people read them, with the unit of each, by column."""
    unit = layer.unit
    names = FIELDS | {
        "observed": f"observed ({unit})",
        "predicted": f"predicted while held out ({unit})",
        "residual": f"observed less predicted ({unit})",
    }
    for column in INTERVALS:
        end, level = column.split("_")
        names[column] = f"{end} end of the {level}% interval ({unit})"
    for column in layer.table:
        if str(column).startswith("adds_"):
            code = str(column).removeprefix("adds_").replace("_", " ")
            names[str(column)] = f"what {code} adds ({unit})"
    return {name: alias for name, alias in names.items() if name in [*layer.table, *ADDED]}


def write_tip(layer: MapLayer) -> str:
    """Write what is told of an area that is pointed at: its figures, and what they are worth."""
    # QGIS reads a tip as HTML.
    places, name = layer.classes.places, escape(f"{layer.name} ({layer.unit})")

    def number(column: str) -> str:
        written = f"""format_number("{column}", {places})"""
        return f"[% coalesce({written}, 'not known') %]"

    return (
        """<b>[% coalesce("area_name", "area_id") %]</b><br>"""
        f"{name}<br>predicted {number('predicted')}<br>"
        f"80% interval {number('lower_80')} to {number('upper_80')}<br>"
        f"observed {number('observed')}<br>{_write_tenth(layer)}"
        """[% if("is_inside" = FALSE, 'outside: unlike anything in training<br>', '') %]"""
        f"<i>{escape(layer.say())}</i>"
    )


def _write_tenth(layer: MapLayer) -> str:
    """Write an area's national tenth for a tip; nothing where the table of scores has none."""
    if "tenth" not in layer.table:
        return ""
    return """national tenth [% coalesce("tenth", 'not known') %] (1 the most deprived)<br>"""


def classify(value: str, classes: Classes, blank: str, striped: str | None = None) -> Rules:
    """Make a style of classes of an expression; areas without a value keep an outline.

    Rules instead of a graduated renderer: they can stripe areas and say so in the legend.

    Parameters
    ----------
    value
        A column in double quotes, or an expression.
    blank
        What the legend calls areas without a value.
    striped
        Which areas are striped; none by default.
    """
    style = Rules()
    edges = [None, *classes.breaks, None]
    for low, high, colour, label in zip(
        edges, edges[1:], classes.colours, classes.labels, strict=False
    ):
        ends = [f"{value} IS NOT NULL"]
        # A value on a break is in the class above, as in `Classes`; all digits, so that both agree.
        ends += [] if low is None else [f"{value} >= {low!r}"]
        ends += [] if high is None else [f"{value} < {high!r}"]
        style.add(" AND ".join(ends), label, [_fill(_write_colour(colour))])
    # An area without a value keeps a rule, or it would be missing from map and legend.
    style.add(f"{value} IS NULL", blank, [_fill(BLANK)])
    if striped is not None:
        # Dark on light, so that they show on any colour.
        stripes = [_stripe(WHITE, 0.9, 0), _stripe(BLACK, 0.35, 1)]
        style.add(striped, "outside: unlike anything in training", stripes)
    return style


def draw_ramp(reach: float, colours: tuple[str, str, str], unit: str) -> str:
    """Write a raster's style: three colours for ``-reach``, 0 and ``reach``, smooth between."""
    root = Xml.Element("qgis", version=VERSION, styleCategories="Symbology")
    pipe = Xml.SubElement(root, "pipe")
    given = {"type": "singlebandpseudocolor", "band": "1", "opacity": "1"}
    ends = {"classificationMin": repr(-reach), "classificationMax": repr(reach)}
    renderer = Xml.SubElement(pipe, "rasterrenderer", given | ends)
    shader = Xml.SubElement(Xml.SubElement(renderer, "rastershader"), "colorrampshader")
    # Not clipped: cells beyond the ends keep the colour of the end.
    shader.attrib.update(colorRampType="INTERPOLATED", clip="0")
    shader.attrib.update(minimumValue=repr(-reach), maximumValue=repr(reach))
    for value, colour in zip((-reach, 0.0, reach), colours, strict=True):
        label = f"{value:.3g} {unit}".strip()
        item = {"value": repr(value), "color": colour, "label": label, "alpha": "255"}
        Xml.SubElement(shader, "item", item)
    return DOCTYPE + Xml.tostring(root, encoding="unicode")


def draw_grey(low: float, high: float) -> str:
    """Write a raster's style: from black at ``low`` to white at ``high``."""
    root = Xml.Element("qgis", version=VERSION, styleCategories="Symbology")
    given = {"type": "singlebandgray", "grayBand": "1", "opacity": "1", "gradient": "BlackToWhite"}
    renderer = Xml.SubElement(Xml.SubElement(root, "pipe"), "rasterrenderer", given)
    stretch = Xml.SubElement(renderer, "contrastEnhancement")
    for name, value in (("minValue", low), ("maxValue", high)):
        Xml.SubElement(stretch, name).text = repr(value)
    Xml.SubElement(stretch, "algorithm").text = "StretchToMinimumMaximum"
    return DOCTYPE + Xml.tostring(root, encoding="unicode")


def read_style(qml: str) -> list[Xml.Element]:
    """Read what stands in a style of ours, for a project to repeat."""
    return list(Xml.fromstring(qml.removeprefix(DOCTYPE)))  # noqa: S314 - written here


def _fill(colour: str) -> Xml.Element:
    """Make a filled symbol layer with a thin grey outline."""
    options = {
        "color": colour,
        "style": "solid",
        "outline_color": _write_colour(EDGE),
        "outline_style": "solid",
        "outline_width": "0.1",
        "outline_width_unit": "MM",
    }
    return _make_layer("SimpleFill", options)


def _stripe(colour: str, width_mm: float, depth: int) -> Xml.Element:
    """Make a layer of slanted lines."""
    colour = _write_colour(colour)
    options = {"angle": "45", "distance": "2", "distance_unit": "MM", "color": colour}
    layer = _make_layer("LinePatternFill", options, depth)
    line = Xml.SubElement(layer, "symbol", _name_symbol("line", f"@stripes@{depth}"))
    width = {"line_color": colour, "line_width": repr(width_mm), "line_width_unit": "MM"}
    line.append(_make_layer("SimpleLine", width | {"line_style": "solid"}))
    return layer


def _make_layer(kind: str, options: Mapping[str, str], depth: int = 0) -> Xml.Element:
    given: dict[str, Any] = {"class": kind, "enabled": "1", "locked": "0", "pass": str(depth)}
    layer = Xml.Element("layer", given)
    table = Xml.SubElement(layer, "Option", type="Map")
    for name, value in options.items():
        Xml.SubElement(table, "Option", type="QString", name=name, value=value)
    return layer


def _name_symbol(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "name": name, "alpha": "1", "clip_to_extent": "1", "force_rhr": "0"}


def _write_colour(colour: str) -> str:
    """Write ``#rrggbb`` as QGIS does."""
    return ",".join([str(part) for part in (*read_rgb(colour), 255)])
