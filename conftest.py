"""Settings of all tests, those in notebooks included."""

import os

# Kernels inherit the environment. A progress bar's text differs from run to run, and tests run side by side.
os.environ |= {"TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}


def pytest_collectstart(collector):
    """Compare the text of notebook outputs, not what the canonical form leaves out."""
    if type(collector).__name__ == "IPyNbFile":
        collector.skip_compare += ("stderr", "text/html", "text/markdown", "image/png", "image/svg+xml")
