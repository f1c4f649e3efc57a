"""Confidence intervals of a proportion and of a count."""

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
    return f"{100 * successes / trials:.1f} % (95 % interval {100 * low:.1f} to {100 * high:.1f}, {trials} clips)"


def poisson(count: int) -> tuple[float, float]:
    """Exact 95 % interval of the mean of a Poisson distribution from one sample, `count` (Garwood, 1936)."""

    def up_to(most: int, mean: float) -> float:
        """The probability of a sample of at most `most`."""
        return sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(most + 1))

    def solve(most: int, probability: float) -> float:
        """The mean at which `up_to(most, mean)` is `probability`, by bisection."""
        low, high = 0.0, count + 10 * math.sqrt(count + 1) + 10
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if up_to(most, middle) > probability else (low, middle)
        return (low + high) / 2

    return solve(count - 1, 0.975) if count else 0.0, solve(count, 0.025)


def per_hour(count: int, hours: float) -> str:
    """A rate an hour with its exact 95 % interval, such as `4.2 [2.0, 7.6]`."""
    low, high = (bound / hours for bound in poisson(count))
    return f"{count / hours:.1f} [{low:.1f}, {high:.1f}]"


def missed(said: int, hit: int) -> str:
    """The share of words that were missed with its 95 % interval, percent, such as `9.1 [7.9, 10.4]`."""
    low, high = (100 * bound for bound in wilson(said - hit, said))
    return f"{100 * (said - hit) / said:.1f} [{low:.1f}, {high:.1f}]"
