"""The command `python -m training.speech`: see training/spoken/pieces.py."""

import sys

from training.spoken.pieces import main

if __name__ == "__main__":
    sys.exit(main())
