"""The command `python -m training.synthesis`: see training/spoken/synthesis.py."""

import sys

from training.spoken.synthesis import main

if __name__ == "__main__":
    sys.exit(main())
