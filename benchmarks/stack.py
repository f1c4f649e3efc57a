"""The command `python -m benchmarks.stack`: see benchmarks/cost/stack.py."""

import sys

from benchmarks.cost.stack import main

if __name__ == "__main__":
    sys.exit(main())
