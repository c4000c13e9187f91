"""Placement: which gateway a new player is sent to. Policies are pure; loads and uniforms are arguments."""

from collections.abc import Sequence


def two_choices(loads: Sequence[float], first: float, second: float) -> int:
    """Return the index of the less loaded of two random candidates (power of two choices).

    Parameters
    ----------
    loads : sequence of float
        Forecast load of each candidate, local increments included.
    first, second : float
        Two uniforms in [0, 1). The second candidate is always another one, if there is another one.

    Raises
    ------
    ValueError
        If there is no candidate.

    References
    ----------
    Mitzenmacher: "The power of two choices in randomized load balancing", IEEE TPDS 2001.
    """
    n = len(loads)
    if n == 0:
        raise ValueError("placement needs at least one candidate, got 0")
    a = int(first * n)
    if n == 1:
        return a
    b = (a + 1 + int(second * (n - 1))) % n
    return a if loads[a] <= loads[b] else b
