"""The one legend: what can be said of a figure, and the sign and colour that say it."""

from __future__ import annotations

from dataclasses import dataclass

from basrelief.judge.scores import is_fixed
from basrelief.run import Record


@dataclass(frozen=True)
class Sense:
    """How one thing that can be said of a figure looks."""

    sign: str
    """Tells it without colour."""

    tone: str
    """Its colour as the style sheet names it: better, even, or worse."""

    words: str
    """What legends call it."""


SENSES = {
    # Beside something: the mean, another recipe, chance.
    "better": Sense("▲", "better", "better"),
    "even": Sense("●", "even", "cannot be told"),
    "worse": Sense("▼", "worse", "worse"),
    # What a preferred recipe rests on: a full diamond is LIDAR, an empty one what sees none.
    "lidar": Sense("◆", "better", "needs LIDAR"),
    "both": Sense("◆◇", "better", "LIDAR and place together"),
    "joined": Sense("●◆◇", "even", "the two together; what LIDAR adds cannot be told"),
    # In no colour: that what sees none is preferred does not say that LIDAR is worse.
    "plain": Sense("◇", "even", "sees no LIDAR"),
    "mean": Sense("□", "even", "the mean"),
    # How often intervals hold what was observed: either miss is one, and none is no proof.
    "holds": Sense("●", "even", "a miss cannot be told"),
    "narrow": Sense("→←", "worse", "too narrow"),
    "wide": Sense("←→", "worse", "wider than need be"),
    # What ground does to a prediction, which says nothing of good or bad.
    "raises": Sense("↑", "even", "raises it"),
    "lowers": Sense("↓", "even", "lowers it"),
    # How an explanation stood a test.
    "passes": Sense("✓", "better", "passes"),
    # A test that passes for a wrong map too clears none.
    "uncounted": Sense("(✓)", "even", "passes"),
    "unjudged": Sense("?", "even", "not judged"),
    "fails": Sense("✗", "worse", "fails"),
}
"""Everything that the pages say with a sign: one sign means one thing on all of them."""


def tell_sense(low: float | None, high: float | None, against: float = 0.0) -> str:
    """Tell by its interval on which side of something a figure lies.

    Returns
    -------
    ``better`` (above), ``worse`` (below), or ``even`` where that cannot be told.

    Examples
    --------
    >>> tell_sense(0.1, 0.3), tell_sense(-0.1, 0.3), tell_sense(0.1, 0.3, against=0.5)
    ('better', 'even', 'worse')
    >>> tell_sense(None, None)
    'even'
    """
    if low is None or high is None:
        return "even"
    return "better" if low > against else "worse" if high < against else "even"


def tell_comparison(record: Record) -> str:
    """Tell which of two compared recipes is better, from ``beats``, ``is_beaten``, ``interval``.

    Returns
    -------
    ``better``, ``worse``, or ``even`` where that cannot be told.

    Examples
    --------
    >>> won = {"beats": True, "is_beaten": False, "interval": "refitted"}
    >>> tell_comparison(won), tell_comparison(won | {"interval": "resampled"})
    ('better', 'even')
    """
    # A sign is a claim, and a difference of two models held fixed is none: another training of
    # either could turn it round.
    if is_fixed(record):
        return "even"
    return "better" if record["beats"] else "worse" if record["is_beaten"] else "even"
