"""The command `python -m benchmarks.npu`: see benchmarks/cost/npu.py."""

import sys

from benchmarks.cost.npu import main

if __name__ == "__main__":
    sys.exit(main())
