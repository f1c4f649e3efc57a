"""The command `python -m benchmarks.baseline`: see benchmarks/cost/baseline.py."""

import sys

from benchmarks.cost.baseline import main

if __name__ == "__main__":
    sys.exit(main())
