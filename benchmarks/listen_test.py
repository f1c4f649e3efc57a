"""The command `python -m benchmarks.listen_test`: see benchmarks/listening/listen_test.py."""

import sys

from benchmarks.listening.listen_test import main

if __name__ == "__main__":
    sys.exit(main())
