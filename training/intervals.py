"""Confidence intervals of a proportion."""
from __future__ import annotations

import math

Z95 = 1.959964


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % score interval of successes/trials, as fractions (Wilson, 1927)."""
    p, z2 = successes / trials, Z95**2 / trials
    centre = (p + z2 / 2) / (1 + z2)
    half = math.sqrt(p * (1 - p) * z2 + z2**2 / 4) / (1 + z2)
    return max(0.0, centre - half), min(1.0, centre + half)


def percent(successes: int, trials: int) -> str:
    """`92.3 % (95 % interval 91.1 to 93.3, 2240 clips)`."""
    low, high = wilson(successes, trials)
    return (f"{100 * successes / trials:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f}, "
            f"{trials} clips)")
