"""Whether figures of reported words are of a network and its detector: other thresholds report other words."""

from __future__ import annotations

from collections.abc import Mapping

from common.shipped import detector_path
from detector import settings
from detector.render import detector_id
from detector.settings import Settings


def made_by(native: str, decided: Settings) -> dict[str, str]:
    """What figures keep of their origin, JSON-ready. native: SHA-256 of the integer network's file. detector:
    `KWS_DETECTOR_ID`, of the rule and the thresholds."""
    return {"native": native, "detector": detector_id(decided)}


def of_this_detector(figures: Mapping, native: str | None, decided: Settings) -> bool:
    """Whether figures, which have the keys of `made_by`, are of this network and of this detector. native: None where there
    is no such network."""
    return native is not None and all(figures.get(key) == value for key, value in made_by(native, decided).items())


def of_shipped(figures: Mapping, tau: float) -> bool:
    """Whether figures are of the network and the detector that are shipped for this width. UserError without the latter."""
    shipped = settings.load(detector_path(tau))
    return of_this_detector(figures, shipped.native, shipped)
