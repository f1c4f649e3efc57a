"""The command `python -m benchmarks.on_board`: see benchmarks/cost/on_board.py."""

import sys

from benchmarks.cost.on_board import main

if __name__ == "__main__":
    sys.exit(main())
