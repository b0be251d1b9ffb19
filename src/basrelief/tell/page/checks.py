"""What checks of explanations found, in sentences."""

from __future__ import annotations

from basrelief.run import Record

SENTENCES = {
    ("completeness", "areas"): (
        "The cells of each of {n} areas add up to its prediction less the model's mean, to within "
        "{value:.1e} of the predictions' standard deviation."
    ),
    ("randomised weights", "areas"): (
        "With random weights in the network's place the map's rank correlation with the trained "
        "one is {value:.2f}, the mean over {n} areas and {n_random} networks."
    ),
    ("randomised weights", "chips"): (
        "With random weights in the network's place the heat's rank correlation with the trained "
        "network's is {value:.2f}, the mean over {n} chips."
    ),
    ("deletion", "areas"): (
        "Flattening the ground that the map ranks highest leaves the prediction {moved} than "
        "flattening as much at random, the mean over the {n} smallest areas."
    ),
    ("deletion", "chips"): (
        "Blanking the squares of a chip that heat ranks highest leaves the prediction {moved} than "
        "blanking as many at random, the mean over {n} chips."
    ),
    ("insertion", "areas"): (
        "With all of an area's ground flat, giving back what the map ranks highest leaves the "
        "prediction {moved} than giving back as much at random, the mean over the {n} smallest "
        "areas."
    ),
    ("insertion", "chips"): (
        "Giving a blank chip back the squares that heat ranks highest leaves the prediction "
        "{moved} than giving back as many at random, the mean over {n} chips."
    ),
    ("flat chips", "areas"): (
        "On ground that is flat everywhere cells differ by {value:.1e} of the standard deviation "
        "of what cells say on real ground."
    ),
    ("flat chips", "chips"): (
        "On a chip that is the same everywhere heat ranges over {value:.0%} of what it ranges over "
        "on real chips."
    ),
    ("edges", "areas"): (
        "Within {edge_cells} cells of the edge of a block, ground says {value:.2f} times as much "
        "as elsewhere, in size."
    ),
    ("edges", "chips"): (
        "In the outer eighth of a chip on each side heat is {value:.2f} times as strong as inside."
    ),
}
"""By check and what its samples are; a record fills them in."""

REASONS = {
    ("no map", "areas"): "The map says the same everywhere.",
    ("no map", "chips"): "There is no heat to compare.",
    ("predicted alike", "areas"): "All areas are predicted alike.",
    ("predicted alike", "chips"): "All chips are predicted alike.",
    ("no edge", "areas"): "No area has ground both beside the edge of a block and elsewhere.",
}
"""Why a check has no value."""


def say_check(record: Record) -> str:
    """Say what a check found.

    Parameters
    ----------
    record
        Of ``explain/tests.json``.

    Examples
    --------
    >>> say_check({"test": "edges", "of": "chips", "value": 0.584})
    'In the outer eighth of a chip on each side heat is 0.58 times as strong as inside.'
    """
    value = record["value"]
    if value is None:
        return REASONS[record["reason"], record["of"]]
    # A value above 0 is the right way: lower where ground goes, higher where it comes.
    is_lower = (record["test"] == "deletion") == (value >= 0)
    moved = f"{abs(value):.2f} standard deviations {'lower' if is_lower else 'higher'}"
    return SENTENCES[record["test"], record["of"]].format(**record, moved=moved)
