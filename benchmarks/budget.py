"""The command `python -m benchmarks.budget`: see benchmarks/cost/budget.py."""

import sys

from benchmarks.cost.budget import main

if __name__ == "__main__":
    sys.exit(main())
