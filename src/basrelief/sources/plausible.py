"""What heights can be: every threshold that input is held against, with its reason."""

from __future__ import annotations

from dataclasses import dataclass

METRES_A_UNIT = {
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters", "[m]"), 1.0),
    **dict.fromkeys(("dm", "decimetre", "decimetres", "decimeter", "decimeters"), 0.1),
    **dict.fromkeys(("cm", "centimetre", "centimetres", "centimeter", "centimeters"), 0.01),
    **dict.fromkeys(("mm", "millimetre", "millimetres", "millimeter", "millimeters"), 0.001),
    **dict.fromkeys(("ft", "foot", "feet", "international foot", "international feet"), 0.3048),
    **dict.fromkeys(
        ("us survey foot", "us survey feet", "us-ft", "ftus", "foot_us", "us_survey_foot"),
        1200 / 3937,
    ),
}
"""Units that files give their heights in, in lower case. Others are refused, not guessed at."""

FARTHEST_M = 5e7
"""No projection in use gives coordinates beyond: the Earth is 40,000 km around."""

SMALLEST_CELL_M, LARGEST_CELL_M = 0.001, 10_000.0
"""Sides of cells: a drone's pictures have a centimetre, the coarsest model of the Earth 10 km."""

SCALE_NOTED, SCALE_REFUSED = 0.02, 0.05
"""Parts by which a metre of a CRS may miss a metre of ground. Grids of one country stay below
0.002, Europe's and America's equal-area grids below 0.015; web Mercator is 0.6 off in London."""

LOWEST_M, HIGHEST_M = -450.0, 6000.0
"""Ground that people live on: the Dead Sea lies at -430 m, La Rinconada at 5,100 m. A value beyond
is no height of a place to learn from."""

LOWEST_BRITISH_M, HIGHEST_BRITISH_M = -150.0, 1400.0
"""The same of Great Britain: Ben Nevis has 1,345 m, and no pit that was ever open went deeper."""

GREAT_BRITAIN = (-9.0, 49.5, 2.2, 61.5)
"""Longitudes and latitudes within which the bounds above hold; Ireland's summit is lower still."""

IMPOSSIBLE = 1e6
"""What files call nodata lies beyond, or is not a number: never a height in any unit."""

MARKERS = (-32768.0, -32767.0, -9999.0, -99999.0, 9999.0, 32767.0, 65535.0, 99999.0)
"""Values in use for nodata that no ground has in metres. They are nodata whatever a file
declares: surface and terrain often differ in that."""

SPARE_MARKERS = (0.0, -1.0, -99.0, -999.0, 255.0, 999.0)
"""The same of values that ground can have: believed only with the evidence below."""

TOO_HIGH_SHARE = 0.01
"""Share of cells above the highest ground from which the unit is wrong; below it, they are spikes
(a bird, a cloud), which are left out and counted."""

WALL_M = 3.0
"""From here on a step from one cell to the next is a wall or a crown, and not a slope."""


@dataclass(frozen=True)
class Steps:
    """What steps from cell to cell no place has in metres: any of the three is beyond."""

    typical: float
    """Median of the steps above `WALL_M`: 4 in suburbs, 8 in the City of London, 11 in
    Newcastle."""

    share: float
    """Of all steps, those above `WALL_M`: a tenth in towns, a quarter in forests."""

    hundredth: float
    """What the highest hundredth of all steps is above: 7, 22 and 13 in the same places."""


ODD_STEPS = Steps(typical=60.0, share=0.6, hundredth=150.0)
"""Heights with decimals: far beyond the towers of Manhattan, for a sound file must never be
refused. Feet that are not declared stay below."""

ODD_WHOLE_STEPS = Steps(typical=20.0, share=0.3, hundredth=40.0)
"""Heights without decimals are suspect from the start: LIDAR in metres has some, and files of
decimetres, centimetres and millimetres have none."""

FEWEST_VALUES = 2
"""Of so few different whole numbers no relief is made."""

FEWEST_WALLS = 200
"""Steps needed for figures that say anything."""

PATCH_JUMP_M = 5.0
"""Median step from a patch of one exact value to its neighbours from which it is no water: a
shore begins at the water's own height."""

FEWEST_PATCH_CELLS = 500
"""A patch of fewer cells is smaller than a house and its garden, at 1 m."""

PATCH_SHARE = 0.02
"""Share of cells that a patch of another value than the spare markers needs: a large flat roof
is less of a place."""

COMPACT = 3.0
"""Times the outline of a square of the same ground that a patch may have. Ground of one height
between houses has many times as much."""

LONE_M = 30.0
"""Gap between the lowest (or highest) exact value that several cells share and the next: between
ground and a pit's bottom there are cells of every height."""

LONE_CELLS = 5

FEWEST_LONE, LONE_ABOVE_M = 100, 100.0
"""Cells of one exact value that lie so far from all others, whatever the value, that they are no
ground; above the others the gap has to be larger, for a lone tower has a roof of one height."""

BLED_CELLS = 4
"""How far resampling carries a nodata value into heights: the reach of the widest kernel in use
(Lanczos has 3), and a cell."""

BLED_M = 25.0
"""How far below all ground around (`AROUND_CELLS`) a cell beside nodata lies that is an average
with it; only below `BLED_BELOW_M`, for the foot of a cliff beside the sea lies so too."""

BLED_ABOVE_M = 100.0
"""How far above all ground around, where the nodata value was high or the kernel had negative
weights: a tower beside a dock has its other cells around it."""

AROUND_CELLS = 24

BLED_BELOW_M = -10.0
"""The lowest ground of England and of the Netherlands lies at -3 and -7 m."""

DIFFERENT_M, DIFFERENT_SHARE = 0.5, 0.01
"""Two tiles of the same ground are of different flights where more than this share of cells differs
by more than that: resampling and rounding stay below, and a street of new houses does not."""

SEAM_CELLS = 12
"""Tiles may share a seam of so many cells, as America's do: too little to matter which is taken."""

SAME_SURFACE_M, SAME_SHARE = 0.01, 0.999
"""Where a larger share of the surface equals the terrain, to a centimetre, nothing stands on it."""

BARE_SHARE = 0.1
"""Share of the surface's cells without terrain from which it is told: terrains often end a
little before surfaces, and have voids in water."""

BELOW_M, BELOW_SHARE = 1.0, 0.02
"""Surface and terrain are swapped where a larger share of the surface lies a metre below the
terrain than above it, and at least this one; sound pairs have a hundredth (water, flights)."""

APART_M = 1.0
"""Height above terrain that a surface comes below somewhere (its lowest hundredth): streets,
gardens and gaps in crowns show the ground, and two surveys of it differ by decimetres. In the City
of London it is 0.0."""

SEAM_M, FEWEST_SEAM_CELLS = 3.0, 30
"""Step from one tile to its neighbour, along their whole edge and beyond what the ground rises
there anyway, from which they have not the same unit or sea: surveys agree to decimetres."""

FADE_CELLS, FADE_PART, FADE_M, FADE_SHARE = 16, 0.5, 0.5, 0.95
"""Heights fade towards a tile's side where of its cells nearly all have less than half of what lies
so many cells further in, and half a metre less: no shore keeps to the side of a tile as near as
that, and ground a little above the sea has no such slope all along it."""

FEWEST_FADED = 100
"""Cells along a side from which that says something: as many metres of quay may be straight."""

SUNK_CELLS = 61
"""Side of the square, wider than a house and narrower than a hill, about whose mean heights are
skewed upwards, for houses and trees stand on the ground: by 1.1 to 1.6 in the City of London,
Newcastle and suburbs. Downwards, and mostly below the sea, they are negated."""

LEAST_RELIEF_M = 2.0
"""Between the lowest and the highest cell of any place with a house or a tree lies more."""

SMOOTH_M, SMOOTH_SHARE = 1.5, 0.999
"""Where a larger share of the steps from one cell to the next is below, hardly a wall stands: in
towns a tenth of them is above twice as much, and in open country trees have as many."""

FEWEST_SMOOTH = 10_000
"""Steps from which nearly none that is a wall says something: those of a few houses' ground."""

STANDARD = 0.05
"""How near a mean is to 0 and a standard deviation to 1 where numbers were standardised (over more
ground than is looked at): no place is, by its heights in metres."""

APART_GROUND_M = 50_000.0
"""Empty ground between a tile and all others from which it is told: places that are learnt from
together are mostly one town, or towns of one county."""

FAR_M = 1_500_000.0
"""A tile this far from the middle of the others has a digit too many: Great Britain is 1,300 km
long."""

MAX_AREAS = 20_000_000
"""Areas of one layer: the blocks of the United States are 8 million."""

MAX_VERTICES = 500_000
"""Vertices of one area: coasts in full resolution stay below, and more take minutes."""

MENDED_SHARE = 0.01
"""Share of an area's ground that mending its outline may change before it is told: crossings of
generalised boundaries change a millionth."""

SHARED_SHARE, SHARED_SLIVER, SLIVER_M = 0.05, 0.01, 10.0
"""Share of the smaller area's ground that two may have in common; and from what share on it must be
narrower than a sliver, which is as wide as boundaries generalised to 20 m, one by one, are off."""

MAX_CELLS = 2e10
"""Cells of a place: 140 km square at 1 m, which is days of work and 160 GB."""


def find_limits(lon_lat: tuple[float, float] | None) -> tuple[float, float]:
    """Give the lowest and highest ground that a place can have, in metres.

    >>> find_limits((-0.1, 51.5)), find_limits((6.9, 45.8))
    ((-150.0, 1400.0), (-450.0, 6000.0))
    """
    west, south, east, north = GREAT_BRITAIN
    if lon_lat and west <= lon_lat[0] <= east and south <= lon_lat[1] <= north:
        return LOWEST_BRITISH_M, HIGHEST_BRITISH_M
    return LOWEST_M, HIGHEST_M
