"""
Your own table
==============

You may know something of areas that nobody has published: visits to a library, complaints, trees.
Ask what your table says of a score, and what it adds to where an area lies. You need boundaries,
a table of scores, and your table with a column of area codes. No rasters are needed.
"""

# %%
# We make a table for the town of the first notebook. ``complaints`` go with the score of income.
# ``lamp_posts`` go with nothing.

from pathlib import Path

import numpy as np
import pandas as pd

import basrelief

TOWN = Path("basrelief-demo")
labels = pd.read_csv(TOWN / "labels.csv")
rng = np.random.default_rng(1)
income = labels["Income Score (rate)"]
table = pd.DataFrame(
    {
        "LSOA11CD": labels["LSOA code (2011)"],
        "complaints": (400 * income + rng.normal(0, 12, len(labels))).round(1),
        "lamp_posts": rng.integers(20, 90, len(labels)),
    }
)
table.to_csv(TOWN / "mine.csv", index=False)
table.head()

# %%
# A table has a name, a file, and the columns to learn from. Give shares and rates, not counts,
# where areas differ in size. The name is a recipe: ``mine`` is your table alone.

config = TOWN / "mine.toml"
config.write_text("""
[data]
areas = "areas.gpkg"
labels = "labels.csv"
targets = ["income"]

[data.tables.mine]
file = "mine.csv"
columns = ["complaints", "lamp_posts"]

[split]
schemes = ["block"]
folds = 5
repeats = 1
block_m = 500
buffer_m = 100

[evaluate]
worlds = 40
""")
run = basrelief.run_all(config)

# %%
# Read the scores as a table. ``kriged-mine`` knows your table, nearness and district. Beside it
# stands what knows place and district alone: the difference is what your table adds.

scores = basrelief.open_run(run.folder).scores()
scores[["label", "skill", "skill_low", "skill_high", "worth"]].round(2)

# %%
# The report says the same in sentences, under "What each eye adds":

print(run.report.relative_to(Path.cwd()))
