"""The command `python -m benchmarks.verify_int8`: see benchmarks/accuracy/verify.py."""

import sys

from benchmarks.accuracy.verify import main

if __name__ == "__main__":
    sys.exit(main())
