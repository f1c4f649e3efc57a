"""The command `python -m benchmarks.field_test`: see benchmarks/listening/field.py."""

import sys

from benchmarks.listening.field import main

if __name__ == "__main__":
    sys.exit(main())
