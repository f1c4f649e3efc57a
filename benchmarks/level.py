"""The command `python -m benchmarks.level`: see benchmarks/listening/level.py."""

import sys

from benchmarks.listening.level import main

if __name__ == "__main__":
    sys.exit(main())
