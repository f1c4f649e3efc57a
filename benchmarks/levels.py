"""The command `python -m benchmarks.levels`: see benchmarks/cost/levels.py."""

import sys

from benchmarks.cost.levels import main

if __name__ == "__main__":
    sys.exit(main())
