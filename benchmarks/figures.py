"""The command `python -m benchmarks.figures`: see benchmarks/report/figures.py."""

import sys

from benchmarks.report.figures import main

if __name__ == "__main__":
    sys.exit(main())
