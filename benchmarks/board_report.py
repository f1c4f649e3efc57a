"""The command `python -m benchmarks.board_report`: see benchmarks/cost/board_report.py."""

import sys

from benchmarks.cost.board_report import main

if __name__ == "__main__":
    sys.exit(main())
