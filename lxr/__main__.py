"""The command line as ``python -m lxr``."""

import sys

from lxr.runs.cli import main

sys.exit(main())
