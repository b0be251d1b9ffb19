"""
A finished run, with geopandas and matplotlib alone
===================================================

A run leaves ordinary files: GeoPackage, GeoParquet, Parquet and JSON. You can read them without
this program and without PyTorch. Here we look at one map and at what it is worth. Every file and
column is told on the page of the run folder.
"""

# %%
# Whichever run you have, give its folder. ``basrelief demo`` makes this one. pandas comes with
# geopandas, and reads Parquet where pyarrow is installed.

import json
from pathlib import Path

import geopandas as gpd
import matplotlib.pyplot as plt
import pandas as pd

RUN = Path("basrelief-demo/run")
TARGET = "crime"

# %%
# The scores
# ----------
# Look at these first. Skill is 0 for a model that always predicts the mean, and 1 for one that is
# always right. ``worth`` says whether the program tells it from chance.

scores = pd.read_parquet(RUN / "scores.parquet")
of_areas = scores[(scores["unit"] == "area") & (scores["scheme"] == "block")]
of_areas.query("target == @TARGET")[
    ["label", "n", "skill", "skill_low", "skill_high", "worth"]
].round(2)

# %%
# The map
# -------
# Each layer of ``areas.gpkg`` is one target. Every prediction was made while its area was held out,
# so that the two maps can be compared. They share one scale of colours.

areas = gpd.read_file(RUN / "maps" / "areas.gpkg", layer=TARGET)
low, high = areas["observed"].quantile([0.02, 0.98])

figure, axes = plt.subplots(1, 2, figsize=(9, 4.4), layout="constrained")
for ax, column in zip(axes, ("observed", "predicted"), strict=True):
    areas.plot(column, ax=ax, cmap="cividis", vmin=low, vmax=high, edgecolor="white", linewidth=0.4)
    ax.set_title(f"{TARGET}, {column}")
    ax.set_axis_off()
figure.colorbar(axes[0].collections[0], ax=axes, shrink=0.8, label="crime score, higher is worse")

# %%
# How wrong it is
# ---------------
# An interval of 80 % should hold the score in four areas of five. We count.

holds = areas["observed"].between(areas["lower_80"], areas["upper_80"])
print(f"{holds.sum()} of {len(areas)} areas lie inside their 80 % interval")

figure, ax = plt.subplots(figsize=(5, 4.4), layout="constrained")
below = areas["predicted"] - areas["lower_80"]
above = areas["upper_80"] - areas["predicted"]
ax.errorbar(
    areas["observed"],
    areas["predicted"],
    yerr=[below, above],
    fmt="o",
    markersize=4,
    linewidth=0.7,
    alpha=0.7,
)
ax.axline((0, 0), slope=1, color="black", linewidth=0.8)
ax.set_xlabel("observed")
ax.set_ylabel("predicted, and its 80 % interval")
# %%
# Which areas to trust less
# -------------------------
# ``is_inside`` says whether training had anything like the area. Where it had not, trust the
# prediction less.

unlike = areas.loc[~areas["is_inside"].astype(bool), ["area_id", "observed", "predicted"]]
print(f"{len(unlike)} of {len(areas)} areas are unlike all others")

# %%
# What the map says of itself
# ---------------------------
# This sentence belongs beside the map, wherever you show it.

layers = json.loads((RUN / "maps" / "layers.json").read_text(encoding="utf-8"))
print(next(layer["says"] for layer in layers if layer["target"] == TARGET))
