"""
Publish safely
==============

``report.html`` is for the analyst. It shows single areas, chips and file names. Only the folder
``public/`` may be handed out. Here we look at what is in it, what was withheld, and what only a
person can check.
"""

# %%
# We open the town's run of the first notebook. What may be shown stands in the configuration:
#
# .. code-block:: toml
#
#    [publish]
#    allow = "areas"           # or "nothing"; "chips" needs a reason
#    min_population = 100      # fewest people behind a figure
#    min_ground_covered = 0.5  # smallest share of an area's ground behind its figure

import json
from pathlib import Path

import geopandas as gpd

RUN = Path("basrelief-demo/run")
for path in sorted((RUN / "public").iterdir()):
    print(f"{path.name:16} {path.stat().st_size / 1000:8.0f} kB")

# %%
# ``publish.json`` says which areas are shown, what is withheld, and why.

told = json.loads((RUN / "publish.json").read_text(encoding="utf-8"))
print(told["areas_published"], "areas are shown.", told["population"])
for each in told["withheld"]:
    print(f"- withheld: {each['item']} ({each['count']}): {each['reason']}")

# %%
# A target gets a map only where its recipe is better than always predicting the mean. The others
# would show chance in colours.

for figure in told["figures"]:
    print(f"{figure['target']}: {figure['recipe']}, {figure['worth']}")

# %%
# What is handed out is a table of its own, with the words that data owners ask for in ``areas.md``.

public = gpd.read_file(RUN / "public" / "areas.geojson")
public[["area_id", "area_name", "crime_observed", "crime_predicted", "crime_low_80"]].head()

# %%
# The gate cannot know what else is public. A person has to look:
#
# - Is there a table of the same scores elsewhere?
# - Are there averages of a district, from which the scores shown can be taken away?
# - Was there an earlier release of this page, with other bounds?
# - Does the map show a prison, a refuge, or other ground that should not be pointed at?
# - Have the people who live there been asked?
#
# This is what the program says about the run at hand:

for line in told["not_safe_from"]:
    print("-", line)
