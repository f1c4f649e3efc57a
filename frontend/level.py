"""The constants of the level meter, kws_level.h: one description for the C, the NumPy model and the documentation.

The thresholds were chosen on Speech Commands' validation clips, its background noises and seeded sounds, right and in each
wrong format; what they reach: `make level`, docs/integration/microphone.md.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Mapping


class Status(enum.IntEnum):
    """`kws_level_status`, without its prefix."""

    OK = 0
    TOO_SHORT = 1
    CONSTANT = 2
    HALF_EMPTY = 3
    SWAPPED = 4
    WRONG_BITS = 5
    STEREO = 6
    WRONG_RATE = 7
    CLIPPING = 8
    DC = 9
    TOO_QUIET = 10


PREFIX = "KWS_LEVEL_"
ADVICE = {
    Status.OK: "ok",
    Status.TOO_SHORT: "too short to say: less than 0.8 s",
    Status.CONSTANT: "every sample is the same: the microphone sends nothing, check wiring, clock and channel",
    Status.HALF_EMPTY: "every second sample is empty: read one channel, not two, and words as wide as they are sent",
    Status.SWAPPED: "samples look byte-swapped: swap the two bytes of each sample",
    Status.WRONG_BITS: "samples wrap around: take the upper bits of each word, saturate when shifting, signed samples",
    Status.STEREO: "samples come in pairs: two channels read as one, or each sample twice; read one channel",
    Status.WRONG_RATE: "not 16,000 samples a second: set the microphone's rate, and lose no samples",
    Status.CLIPPING: "clipping: lower the gain",
    Status.DC: "the mean is far from zero: remove the offset",
    Status.TOO_QUIET: "quiet: if somebody spoke, raise the gain",
}
"""What `kws_level_text` says."""


@dataclasses.dataclass(frozen=True)
class Level:
    """Thresholds. Energies are of a sample, counts of a block of 2^block_bits samples, levels in tenths of a dBFS."""

    block_bits: int = 12
    blocks_least: int = 3
    blocks_most: int = 1 << 18
    silence: int = -1000
    log_bits: int = 12
    tenths_bits: int = 8
    least_energy: int = 4
    coarse_step: int = 64
    full_least: int = 300_000_000
    full_most: int = 420_000_000
    upper_least: int = 850
    upper_most: int = 1200
    railed: int = 64
    wraps_least: int = 8
    wrong_bits_one_of: int = 8
    clipped_one_of: int = 256
    dc: int = 1000
    quiet: int = -550
    rate_ms: int = 1000

    @property
    def block(self) -> int:
        """Samples of a block."""
        return 1 << self.block_bits

    @property
    def tenths(self) -> int:
        """Tenths of a dB of a factor of 2 in energy, times 2^tenths_bits."""
        return round(100 * math.log10(2) * (1 << self.tenths_bits))

    @property
    def texts(self) -> Mapping[str, str]:
        """Name of a status in C -> what it says."""
        return {status.name: text for status, text in ADVICE.items()}


LEVEL = Level()
