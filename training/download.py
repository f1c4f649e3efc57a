"""The command `python -m training.download`: see training/data/download.py."""

import sys

from training.data.download import main

if __name__ == "__main__":
    sys.exit(main())
