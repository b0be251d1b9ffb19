"""
LIDAR against the last release
==============================

Whoever has the last release of an index can predict the next one from it, often very well. So ask
what LIDAR adds to that. The last release is a table with a role of its own, and the report says
plainly where LIDAR adds nothing to it.
"""

# %%
# We make a release of some years before for the town: today's crime scores, and what has changed
# since. On real data this is a file that the ministry publishes.

from pathlib import Path

import numpy as np
import pandas as pd

import basrelief

TOWN = Path("basrelief-demo")
labels = pd.read_csv(TOWN / "labels.csv")
rng = np.random.default_rng(2)
before = labels[["LSOA code (2011)", "Crime Score"]].copy()
before["Crime Score"] = (before["Crime Score"] + rng.normal(0, 0.3, len(before))).round(3)
before.to_csv(TOWN / "release_before.csv", index=False)

# %%
# ``role = "last_release"`` says what the table is. Its score is recognised by its heading. Without
# being asked, the run trains each eye alone, both together with place, and both without each one.

config = TOWN / "release.toml"
config.write_text("""
[data]
dsm = "lidar/DSM_*.tif"
dtm = "lidar/DTM_*.tif"
areas = "areas.gpkg"
labels = "labels.csv"
targets = ["crime"]

[data.tables.last_release]
file = "release_before.csv"
role = "last_release"

[chips]
size_px = 64
resolution_m = 2.0

[split]
schemes = ["block"]
folds = 5
repeats = 1
block_m = 500
buffer_m = 100

[models]
recipes = ["relief-statistics"]

[evaluate]
worlds = 40
""")
run = basrelief.run_all(config)

# %%
# Alone, each says much: ``relief-statistics`` and ``last-release``. But the question is what LIDAR
# adds. So compare the last row, which knows both, with ``kriged-last-release``, which knows the
# same without LIDAR.

scores = basrelief.open_run(run.folder).scores().query("unit == 'area'")
scores[["label", "skill", "skill_low", "skill_high", "worth"]].round(2)

# %%
# Next to nothing: what LIDAR tells, the release told already. On 25 km² of north London it was the
# same, with the index of 2010 and that of 2019 (``examples/tq28ne-people.toml``). LIDAR is for
# ground without a release, for change since it, and for what stands there.
#
# The report says it in sentences, under "What each eye adds":

print(run.report.relative_to(Path.cwd()))
