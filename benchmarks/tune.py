"""The command `python -m benchmarks.tune`: see benchmarks/listening/tune.py."""

import sys

from benchmarks.listening.tune import main

if __name__ == "__main__":
    sys.exit(main())
