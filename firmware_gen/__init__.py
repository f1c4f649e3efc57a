"""A verified int8 model -> C and C++ sources for firmware. No interpreter and no framework is needed here."""

from common.interrupts import end_while_loading

end_while_loading()

__version__ = "0.1.0"
"""Version of the project; every generated file names it."""
RELEASED = "2026-11-26"
"""Its date, as in CHANGELOG.md."""
