"""The command `python -m benchmarks.peers`: see benchmarks/listening/peers.py."""

import sys

from benchmarks.listening.peers import main

if __name__ == "__main__":
    sys.exit(main())
