"""The command `python -m benchmarks.family`: see benchmarks/accuracy/family.py."""

import sys

from benchmarks.accuracy.family import main

if __name__ == "__main__":
    sys.exit(main())
