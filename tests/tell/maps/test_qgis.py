from __future__ import annotations

from xml.etree import ElementTree as Xml

import numpy as np
import pytest

from basrelief.tell.maps.classes import Classes
from basrelief.tell.maps.qgis import STRIPED, classify, draw_ramp

CLASSES = Classes((-0.5, 1.0), ("#000000", "#7f7f7f", "#ff0000"), 1)


def read_rules(qml: str) -> dict[str, str]:
    """Filters of a style by their labels."""
    rules = Xml.fromstring(qml).findall("renderer-v2/rules/rule")
    return {rule.attrib["label"]: rule.attrib["filter"] for rule in rules}


def test_each_class_has_a_rule_and_a_symbol_of_its_colour() -> None:
    qml = classify('"predicted"', CLASSES, "not predicted").write()
    rules = read_rules(qml)
    assert list(rules) == [*CLASSES.labels, "not predicted"]
    assert rules["−0.5 to 1.0"] == (
        '"predicted" IS NOT NULL AND "predicted" >= -0.5 AND "predicted" < 1.0'
    )
    colours = [
        option.attrib["value"]
        for option in Xml.fromstring(qml).findall(".//layer/Option/Option[@name='color']")
    ]
    assert colours == ["0,0,0,255", "127,127,127,255", "255,0,0,255", "0,0,0,0"]


def test_rules_divide_values_as_the_classes_do() -> None:
    rules = list(read_rules(classify("value", CLASSES, "none").write()).values())[:3]
    for value in (-2.0, -0.5, 0.3, 1.0, 7.0):
        tests = [rule.replace("IS NOT NULL", "is not None").replace("AND", "and") for rule in rules]
        hits = [eval(test, {"value": value}) for test in tests]
        assert hits.index(True) == CLASSES.find(np.array([value]))[0]
        assert sum(hits) == 1


def test_every_symbol_that_a_rule_names_is_there() -> None:
    root = Xml.fromstring(classify('"width"', CLASSES, "none", STRIPED).write())
    asked = [rule.attrib["symbol"] for rule in root.iter("rule")]
    drawn = [symbol.attrib["name"] for symbol in root.findall("renderer-v2/symbols/symbol")]
    assert asked == drawn


def test_areas_outside_are_striped_and_the_legend_says_so() -> None:
    assert "LinePatternFill" not in classify("x", CLASSES, "none").write()
    striped = classify("x", CLASSES, "none", STRIPED).write()
    assert striped.count('class="LinePatternFill"') == 2
    assert read_rules(striped)["outside: unlike anything in training"] == '"is_inside" = FALSE'


def test_a_ramp_has_its_colours_at_both_ends_and_at_zero() -> None:
    items = list(
        Xml.fromstring(draw_ramp(0.25, ("#0000ff", "#ffffff", "#ff0000"), "pts")).iter("item")
    )
    assert [float(item.attrib["value"]) for item in items] == pytest.approx([-0.25, 0, 0.25])
    assert items[2].attrib["label"] == "0.25 pts"
