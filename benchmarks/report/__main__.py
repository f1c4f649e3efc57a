"""The command `python -m benchmarks.report`: see benchmarks/report/contents.py."""

import sys

from benchmarks.report.contents import main

if __name__ == "__main__":
    sys.exit(main())
