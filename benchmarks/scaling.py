"""The command `python -m benchmarks.scaling`: see benchmarks/cost/scaling.py."""

import sys

from benchmarks.cost.scaling import main

if __name__ == "__main__":
    sys.exit(main())
