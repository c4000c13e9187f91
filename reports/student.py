"""Student's t without further libraries."""

import math


def t_quantile(probability: float, degrees: int) -> float:
    """Return a quantile of Student's t above the median, to 1e-9.

    Parameters
    ----------
    probability : float
        In [0.5, 1).
    degrees : int
        Degrees of freedom, at least 1.

    References
    ----------
    Abramowitz and Stegun, 26.7.3 and 26.7.4: the distribution in closed form for whole degrees of freedom.
    """
    low, high = 0.0, 1.0
    while _t_below(high, degrees) < probability:
        high *= 2.0
    while high - low > 1e-10 * max(1.0, high):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _t_below(middle, degrees) < probability else (low, middle)
    return (low + high) / 2.0


def _t_below(t: float, degrees: int) -> float:
    theta = math.atan(t / math.sqrt(degrees))
    cosine, sine = math.cos(theta), math.sin(theta)
    if degrees % 2:
        term, total = cosine, cosine if degrees > 1 else 0.0
        for k in range(3, degrees - 1, 2):
            term *= cosine * cosine * (k - 1) / k
            total += term
        between = 2.0 / math.pi * (theta + (sine * total if degrees > 1 else 0.0))
    else:
        term = total = 1.0
        for k in range(2, degrees - 1, 2):
            term *= cosine * cosine * (k - 1) / k
            total += term
        between = sine * total
    return 0.5 + between / 2.0
