"""The page that `make app` serves."""

import os

os.environ["TQDM_DISABLE"] = "1"  # no progress bars on a page

from lxr.app.page import page

page(os.environ.get("LXR_RESULTS", "results"))
