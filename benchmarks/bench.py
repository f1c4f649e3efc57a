"""The command `python -m benchmarks.bench`: see benchmarks/cost/bench.py."""

import sys

from benchmarks.cost.bench import main

if __name__ == "__main__":
    sys.exit(main())
