"""Readers of tables, counts of crime and configurations, for `fuzz.py`: see there.

What is spoilt is read as the chips stage reads it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
from spoil import Attempt, spoil

from basrelief.config import load_settings
from basrelief.run import Notes, Run
from basrelief.sources.crime import read_crime
from basrelief.sources.labels import find_label_vintage, read_labels
from basrelief.typed import Typed

CODES = [f"E01{k:06d}" for k in range(1, 31)]
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "cp1252")
PUNCTUATION = (b'"', b"'", b",", b";", b"\t", b"\r", b"%", b"\x00", b"1e999", b"E01000001", b"\n")


def spoil_text(sound: bytes, rng: np.random.Generator) -> bytes:
    """Spoil bytes as any file's, or with what means something in a text."""
    if rng.random() < 0.5:
        return spoil(sound, rng)
    data = bytearray(sound)
    for _ in range(int(rng.integers(1, 6))):
        at, token = int(rng.integers(len(data))), PUNCTUATION[int(rng.integers(len(PUNCTUATION)))]
        data[at : at + int(rng.integers(2))] = token
    return bytes(data)


def tables(folder: Path, rng: np.random.Generator) -> Attempt:
    """Make tables of labels in several encodings and a workbook; read them."""
    table = pd.DataFrame({"LSOA11CD": CODES, "LSOA11NM": "Môn 001A", "crime": rng.normal(size=30)})
    table["population"] = [f"{1000 + k:,}" for k in range(30)]
    sound = {
        f"{k}.csv": ("Title\n\n" * (k % 2) + table.to_csv(index=False, sep=",;\t|"[k])).encode(name)
        for k, name in enumerate(ENCODINGS)
    }
    book = openpyxl.Workbook()
    for row in [list(table.columns), *table.to_numpy(dtype=object).tolist()]:
        book.active.append(row)
    book.save(folder / "book.xlsx")
    sound["book.xlsx"] = (folder / "book.xlsx").read_bytes()

    def attempt(rng: np.random.Generator) -> None:
        name = sorted(sound)[int(rng.integers(len(sound)))]
        path = folder / f"spoilt-{name}"
        path.write_bytes(spoil_text(sound[name], rng))
        typed, notes = Typed("labels", name, path), Notes(Run(folder, quiet=True))
        read_labels(typed, targets=["crime"], column=None, notes=notes)
        find_label_vintage(typed, None)

    return attempt


def parts(folder: Path, rng: np.random.Generator) -> Attempt:
    """Make a workbook; spoil the parts in its archive, which then is whole; read it."""
    import zipfile

    tables(folder, rng)
    with zipfile.ZipFile(folder / "book.xlsx") as archive:
        sound = {name: archive.read(name) for name in archive.namelist()}

    def attempt(rng: np.random.Generator) -> None:
        spoilt = sorted(sound)[int(rng.integers(len(sound)))]
        path = folder / "spoilt.xlsx"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in sound.items():
                archive.writestr(name, spoil_text(data, rng) if name == spoilt else data)
        typed, notes = Typed("labels", "a.xlsx", path), Notes(Run(folder, quiet=True))
        read_labels(typed, targets=["crime"], column=None, notes=notes)

    return attempt


def crimes(folder: Path, rng: np.random.Generator) -> Attempt:
    """Make counts of crime in all layouts; read one spoilt beside one that is sound."""
    months = {f"2019{month:02d}": rng.integers(0, 9, 30) for month in range(1, 13)}
    wide = {"LSOA Code": CODES, "Major Category": "THEFT", "Minor Category": "OTHER THEFT"}
    yearly = pd.DataFrame({"LSOA11CD": CODES, "2018": 3, "2019": range(30)})
    long = pd.DataFrame(
        [[code, "Theft", 1, 2019, month] for code in CODES for month in range(1, 13)],
        columns=["lsoa_code", "major_category", "value", "year", "month"],
    )
    single = pd.DataFrame(
        [[f"2019-{month:02d}", "A", code, "Theft"] for code in CODES for month in range(1, 13)],
        columns=["Month", "Falls within", "LSOA code", "Crime type"],
    )
    sound = {
        name: table.to_csv(index=False).encode()
        for name, table in {
            "wide": pd.DataFrame(wide | months),
            "major-theft": yearly,
            "long": long,
            "single": single,
        }.items()
    }

    def attempt(rng: np.random.Generator) -> None:
        for path in folder.glob("*.csv"):
            path.unlink()
        name = sorted(sound)[int(rng.integers(len(sound)))]
        (folder / f"{name}.csv").write_bytes(spoil_text(sound[name], rng))
        if rng.random() < 0.3:
            other = sorted(sound)[int(rng.integers(len(sound)))]
            (folder / f"other-{other}.csv").write_bytes(sound[other])
        notes = Notes(Run(folder, quiet=True))
        read_crime(Typed("crime", "*.csv", folder / "*.csv"), None, notes)

    return attempt


def configuration(folder: Path, rng: np.random.Generator) -> Attempt:
    """Make a configuration with most of its keys; read it."""
    text = (
        'out = "a"\nseed = 1\n[data]\ndsm = "a*.tif"\nareas = "b"\nlabels = "c"\n'
        'targets = ["crime"]\n[chips]\nsize_px = 64\nmin_valid = 0.5\n[split]\nblock_m = 500.0\n'
        'schemes = ["area"]\n[models]\nrecipes = ["vgg16"]\nweights = { vgg16 = "none" }\n'
        '[publish]\nallow = "chips"\nreason = """a\nb"""\n'
    )

    def attempt(rng: np.random.Generator) -> None:
        path = folder / "c.toml"
        path.write_bytes(spoil_text(text.encode(), rng))
        load_settings(path)

    return attempt
