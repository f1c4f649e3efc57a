"""The HTML page's curves of the detector: misses against false accepts, of all words and of each."""

from __future__ import annotations

from markupsafe import Markup

from benchmarks.report import plots
from benchmarks.report.values import Step, Values

LEAST = 0.1
"""False accepts an hour at the left end of the curves, and below."""


class DetectorPlots(Values):
    """The plots of `detector` in the report."""

    def curve_words(self) -> list[str]:
        """The words that the curve has figures of."""
        points = self.report["detector"]["curve"]["points"]
        return [
            word
            for word in points[0]["words"]
            if all(point["words"].get(word, [0, None])[1] is not None for point in points)
        ]

    def plot_curve(self, word: str | None = None) -> Markup:
        """The curve of a word, or of all together."""
        points: tuple[Step, ...] = ("detector", "curve", "points")
        found = self.report["detector"]["curve"]["points"]
        most = 1.2 * max(LEAST * 10, *(point["rate"] for point in found))
        places: list[tuple[Step, Step]] = [
            ("rate", "missed") if word is None else (("words", word, 0), ("words", word, 1))
        ] * len(found)
        return Markup(
            plots.curve(
                "curve" if word is None else f"curve-{self.curve_words().index(word)}",
                word or "all words",
                "Keywords that are missed, in percent, against false accepts an hour, as thresholds rise.",
                [
                    (self.figure("points1", points, index, rate), self.figure("percent1", points, index, missed))
                    for index, (rate, missed) in enumerate(places)
                ],
                LEAST,
                most,
            )
        )
