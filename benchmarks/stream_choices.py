"""The command `python -m benchmarks.stream_choices`: see benchmarks/listening/stream_choices.py."""

import sys

from benchmarks.listening.stream_choices import main

if __name__ == "__main__":
    sys.exit(main())
