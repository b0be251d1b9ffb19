"""
A first run, on a made-up town
==============================

What a run needs, what it says, and what it leaves. The town has a known answer, so that we can
see whether the answer is found. It takes about half a minute.
"""

# %%
# The program can make a town: tiles of LIDAR, boundaries, and a table of scores, as offices publish
# them. How high an area is built drives its ``crime``. Where it lies drives ``barriers``. Nothing
# drives ``health``.

from pathlib import Path

import basrelief
from basrelief.sources.town import write_town

TOWN = Path("basrelief-demo")
write_town(TOWN, seed=7)
sorted(path.name for path in TOWN.iterdir())

# %%
# A configuration says where the data lie, and what is asked. This one is quick: one recipe that a
# person can read, one way to hold ground out, and the fewest other worlds that can tell a gain from
# chance.

config = TOWN / "config.toml"
config.write_text("""
out = "run"

[data]
dsm = "lidar/DSM_*.tif"
dtm = "lidar/DTM_*.tif"
areas = "areas.gpkg"
labels = "labels.csv"
targets = ["crime", "barriers", "health"]

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

# %%
# One call does all stages. On the command line it is ``basrelief run
# basrelief-demo/config.toml``. A line that begins with ``note:`` says what is odd about the data
# and was taken all the same.

run = basrelief.run_all(config)

# %%
# The last word of each line of ``evaluate`` is the verdict: ``better`` means that the skill
# survives chance over the whole report. A skill says little alone. So beside each stands what
# place alone reaches, with the same ground held out.

scores = basrelief.open_run(run.folder).scores().query("unit == 'area'").round(2)
known = scores[scores["label"].isin(["relief-statistics", "place-alone"])]
known.pivot(index="target", columns="label", values=["skill", "worth"])

# %%
# For ``crime`` LIDAR is better. For ``barriers`` place is better, and LIDAR tells nothing. For
# ``health`` nothing is better than the mean. That is the truth of this town.
#
# For a person, the run leaves a report, maps, and a folder that may be handed out:

for path in (run.report, run.folder / "maps" / "areas.gpkg", run.folder / "public"):
    print(path.relative_to(Path.cwd()))

# %%
# If you run it again, nothing is done twice: finished stages are skipped.

basrelief.run_all(config)
