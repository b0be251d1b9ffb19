"""How large the numbers of a network can be: beyond, a file of weights is damaged or made up."""

from __future__ import annotations

import math

MAX_KERNEL = 1e6
"""Networks are published with weights of some hundreds at most, and in half precision, which ends
at 65,504. One of a million would turn a grey level more or less into another picture."""

MAX_ELSEWHERE = MAX_KERNEL**2
"""Of biases, means and variances: a variance is the square of what kernels made."""


def find_number_fault(largest: float, n_axes: int) -> str:
    """Say what is wrong with numbers of a file of weights; empty where nothing is.

    Parameters
    ----------
    largest
        The largest of their sizes; infinite or NaN where one is no number.
    n_axes
        Of the array: kernels have several.

    Examples
    --------
    >>> find_number_fault(12.5, 4), find_number_fault(3e4, 1)
    ('', '')
    >>> find_number_fault(1e38, 4)
    'numbers as large as 1e+38, which no network has: it is damaged, or its bytes are swapped'
    """
    if not math.isfinite(largest):
        return "numbers that are not finite, as a training leaves that went astray"
    if largest > (MAX_KERNEL if n_axes > 1 else MAX_ELSEWHERE):
        return (
            f"numbers as large as {largest:.0e}, which no network has: it is damaged, or its bytes "
            "are swapped"
        )
    return ""
