"""A finished run, as tables, layers and maps: what a notebook or a server reads, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from basrelief.config import InputError
from basrelief.run import Record, check_format, read_json

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

    from basrelief.config import DataKind

# Loaded where something is read, not here: a server opens fifty runs while it starts.

SHARED = (
    *("area_id", "area_name", "district", "lad", "msoa", "ground_covered", "is_used"),
    *("label_year", "flown_from", "flown_to", "years_apart"),
)
"""Columns of the maps that are not of one target; not all of them are known everywhere."""


@dataclass(frozen=True)
class RunReader:
    """A run folder to read from. Nothing is read before it is asked for."""

    folder: Path

    @cached_property
    def facts(self) -> Record:
        """What ``chips.json`` says of the samples."""
        facts: Record = read_json(self._find("chips/chips.json", "chips"))
        return facts

    @property
    def kind(self) -> DataKind:
        """Whether chips are pictures, were cut from rasters, or there are none but tables."""
        kind: DataKind = self.facts["kind"]
        return kind

    @property
    def targets(self) -> tuple[str, ...]:
        """What is predicted, in the order of every table."""
        return tuple(self.facts["targets"])

    def areas(self) -> gpd.GeoDataFrame | pd.DataFrame:
        """Read the areas: one row each, with labels and, of rasters, polygons."""
        return self._read_placed("chips/areas.parquet")

    def chips(self) -> gpd.GeoDataFrame | pd.DataFrame:
        """Read the chips: one row each, in the order of their pixels; of rasters, squares."""
        return self._read_placed("chips/chips.parquet")

    def membership(self) -> pd.DataFrame:
        """Read which share of each chip's ground lies in which area."""
        return self._read("chips/membership.parquet", "chips")

    def folds(self) -> pd.DataFrame:
        """Read which fold each area or chip is in, by scheme and repeat."""
        return self._read("splits/folds.parquet", "split")

    def recipes(self) -> pd.DataFrame:
        """Read what was trained: ``recipe, kind, unit, is_asked, made_of, knows``, and how far."""
        import pandas as pd

        return pd.DataFrame(read_json(self._find("models/recipes.json", "train")))

    def scores(self) -> pd.DataFrame:
        """Read the metrics of every recipe and baseline, by target, scheme and unit."""
        return self._read("scores.parquet", "evaluate")

    def predictions(
        self, *, recipe: str | None = None, target: str | None = None, scheme: str | None = None
    ) -> pd.DataFrame:
        """Read held-out predictions with their intervals; all, or those of one kind.

        The whole table of a large place is large: what is left out is not read.
        """
        import pandas as pd

        wanted = {"recipe": recipe, "target": target, "scheme": scheme}
        filters = [(name, "==", value) for name, value in wanted.items() if value is not None]
        path = self._find("predictions.parquet", "evaluate")
        return pd.read_parquet(path, filters=filters or None)

    def layers(self) -> dict[str, Path]:
        """Find the layers of the place, by name: Zarr arrays that say what they are.

        Shape, grid, CRS, bands and units stand in each array's own attributes.
        """
        folders = sorted(self._find("chips/layers", "chips").glob("*.zarr"))
        return {path.stem: path for path in folders}

    def map(self, target: str) -> gpd.GeoDataFrame:
        """Read a target's map: one row an area, in the rasters' CRS.

        Returns
        -------
        What an area is (``area_id``, ...), then ``observed``, ``predicted`` (held out),
        ``residual``, the bounds of intervals in the target's own unit, ``is_inside`` the area of
        applicability, and ``geometry``.

        Raises
        ------
        InputError
            If the run has no map of this target.
        """
        import geopandas as gpd

        path = self.folder / "maps" / "areas.parquet"
        # Pictures leave no maps: then no target has a column, and is refused as others are.
        table = gpd.read_parquet(path) if path.exists() else gpd.GeoDataFrame()
        prefix = f"{target}_"
        # Whole names: "theft" is not "theft_from_the_person".
        others = tuple(f"{other}_" for other in self.targets if other.startswith(prefix))
        own = [
            name
            for name in map(str, table.columns)
            if target in self.targets
            and name.startswith(prefix)
            and not (others and name.startswith(others))
        ]
        if not own:
            drawn = [name for name in self.targets if f"{name}_observed" in table]
            raise InputError(
                f"{self.folder}: no map of {target!r}. There are maps of "
                f"{', '.join(drawn) or 'nothing: maps need rasters, and the map stage'}."
            )
        known = [name for name in SHARED if name in table]
        mine: gpd.GeoDataFrame = table[[*known, *own, "geometry"]]
        return mine.rename(columns={name: name.removeprefix(prefix) for name in own})

    def _find(self, name: str, stage: str) -> Path:
        """Locate what a stage wrote, or say that it has not run."""
        path = self.folder / name
        if not path.exists():
            raise InputError(
                f"{path}: not there yet. Run the stage that writes it: basrelief {stage} CONFIG."
            )
        return path

    def _read(self, name: str, stage: str) -> pd.DataFrame:
        import pandas as pd

        return pd.read_parquet(self._find(name, stage))

    def _read_placed(self, name: str) -> gpd.GeoDataFrame | pd.DataFrame:
        import geopandas as gpd
        import pandas as pd

        path = self._find(name, "chips")
        # geopandas refuses a table without places, and pictures have none.
        return gpd.read_parquet(path) if self.kind != "pictures" else pd.read_parquet(path)


def open_run(path: Path | str) -> RunReader:
    """Open a run folder for reading. PyTorch is not needed.

    Parameters
    ----------
    path
        The run folder, as text or path.

    Raises
    ------
    InputError
        If it is no run folder, or one of another format.

    Examples
    --------
    >>> run = open_run("runs/crime")  # doctest: +SKIP
    >>> run.scores().query("scheme == 'block'")  # doctest: +SKIP
    """
    # In a notebook there is no shell to say where "~" is.
    folder = Path(path).expanduser()
    # Before anything is read: columns of another format could be taken for these.
    check_format(folder)
    return RunReader(folder)
