"""The page that `make app` serves."""

import os

from lxr.app.page import page

page(os.environ.get("LXR_RESULTS", "results"))
