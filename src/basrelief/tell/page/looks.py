"""What networks look at: single chips under their heat."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from basrelief.run import Record
from basrelief.tell.facts import Facts, HeatPicture, Panel
from basrelief.tell.page.doubts import say_doubt
from basrelief.tell.words import format_number

KINDS = {
    "highest": "Predicted highest",
    "lowest": "Predicted lowest",
    "worst": "Furthest from the truth",
}


SHARED = {"most": "Observed highest", "least": "Observed lowest"}
"""The kinds that every network of a scheme has the same chips of."""


def gather(facts: Facts) -> dict[str, Any] | None:
    """Gather the heat maps of each network, by target and kind; None where there are none."""
    groups: dict[tuple[str, str], list[HeatPicture]] = {}
    for heat in facts.heat:
        groups.setdefault((heat.record["recipe"], heat.record["target"]), []).append(heat)
    if not groups:
        return None
    # Beside each: a network that fails lights up as brightly as one that works.
    return {
        "beside": _show_beside(facts.heat),
        "gallery": [
            _show_group(group) | {"doubt": say_doubt(facts, recipe, [target])}
            for (recipe, target), group in groups.items()
        ],
    }


def _show_beside(heat: Sequence[HeatPicture]) -> list[dict[str, Any]]:
    """Gather, target by target, the same chips under the heat of every network; side by side.

    None where one network alone was shown them, or they were tested on chips of their own.
    """
    found = []
    for target in dict.fromkeys(each.record["target"] for each in heat):
        shared: dict[tuple[str, str], list[HeatPicture]] = {}
        for each in heat:
            record = each.record
            if record["target"] == target and record["kind"] in SHARED:
                shared.setdefault((record["kind"], record["chip_id"]), []).append(each)
        rows = [
            (SHARED[kind], chip_id, [_show_heat(each, names=True) for each in several])
            for (kind, chip_id), several in shared.items()
            if len(several) > 1
        ]
        if rows:
            found.append({"target": target, "rows": rows})
    return found


def _show_group(group: list[HeatPicture]) -> dict[str, Any]:
    """Gather one network's heat maps for one target."""
    by_kind = [
        (title, [_show_heat(heat) for heat in group if heat.record["kind"] == kind])
        for kind, title in KINDS.items()
    ]
    about = {key: group[0].record[key] for key in ("recipe", "target", "scheme", "layer")}
    return about | {"kinds": [(title, panels) for title, panels in by_kind if panels]}


def _show_heat(heat: HeatPicture, *, names: bool = False) -> Panel:
    """Show a chip under its heat; ``names`` where several recipes stand side by side."""
    record = heat.record
    shares = (
        f"{record['share_positive']:.0%} of the heat raises the prediction, "
        f"{record['share_negative']:.0%} lowers it."
    )
    named = _name_chip(record)
    alt = f"Chip {named}. Left the chip, right the same in grey under its heat: {shares}"
    if names:
        recipe = record["recipe"]
        told = f"{recipe}: predicted\u00a0{format_number(record['y_pred'])}"
        return Panel(embed_picture(heat.picture, f"{recipe}. {alt}"), told)
    return Panel(embed_picture(heat.picture, alt), named)


def _name_chip(record: Record) -> str:
    """Name a chip with its figures; those furthest from the truth with how far they are."""
    y_pred, y_true = record["y_pred"], record["y_true"]
    named = (
        f"{record['chip_id']}: predicted\u00a0{format_number(y_pred)}, "
        f"observed\u00a0{format_number(y_true)}"
    )
    if record["kind"] != "worst" or y_true is None:
        return named
    return f"{named}, {format_number(abs(y_pred - y_true))}\u00a0apart"


def embed_picture(path: Path, alt: str) -> str:
    """Put a picture into the page itself, made smaller and without its metadata."""
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    size = (pixels.shape[1], pixels.shape[0])
    # From bare pixels: a picture that was opened can carry its metadata into what is saved.
    Image.fromarray(pixels).save(buffer, "WEBP", quality=82)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<img src="data:image/webp;base64,{data}" alt="{escape(alt)}" '
        f'width="{size[0]}" height="{size[1]}">'
    )
