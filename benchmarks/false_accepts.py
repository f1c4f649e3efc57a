"""The command `python -m benchmarks.false_accepts`: see benchmarks/listening/false_accepts.py."""

import sys

from benchmarks.listening.false_accepts import main

if __name__ == "__main__":
    sys.exit(main())
