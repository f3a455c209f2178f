"""Run every notebook of a dataset, from raw ratings to tables and figures: `python run_all.py --help`."""

import sys

from lxr.runs.cli import main

if __name__ == "__main__":
    sys.exit(main())
