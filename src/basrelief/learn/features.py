"""The features of an area recipe, made alike where it is trained and where it predicts."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from basrelief.chips.store import Samples
from basrelief.learn.random_features import load_filters, random_features
from basrelief.learn.recipes import AreaRecipe, RandomRecipe
from basrelief.learn.relief import relief_features
from basrelief.run import Run

FILTERS = "filters.safetensors"
"""What random features are made with, beside the features and in each final model."""


def make_features(recipe: AreaRecipe, samples: Samples, run: Run, folder: Path) -> pd.DataFrame:
    """Compute a recipe's features for every area that has ground.

    Nothing here is fitted to the samples: a final model makes the same features of a place
    that it never saw.

    Parameters
    ----------
    folder
        Where the filters of random features are: the recipe's own, or a final model's.

    Returns
    -------
    DataFrame
        One row an area, by ``area_id``; one column a feature.
    """
    if isinstance(recipe, RandomRecipe):
        return random_features(samples, load_filters(folder / FILTERS), run)
    return relief_features(samples, run)
