"""Reader of the Pinterest data."""

from functools import partial
from pathlib import Path

import pandas as pd

from lxr.data.reading.download import read_first
from lxr.data.reading.files import read_ratings

NCF = "https://github.com/hexiangnan/neural_collaborative_filtering"


def read_pinterest(data_dir: Path) -> pd.DataFrame:
    """Read Pinterest: the training file of He et al. (WWW 2017), or lines ``user,item,rating`` as in the published code.

    Raises:
        DataError: the file is missing or malformed.
    """
    table = partial(read_ratings, separator=",", n_columns=3)
    readers = {
        "pinterest.csv": table,
        "pinterest_data.csv": table,  # name of the file there
        "pinterest-20.train.rating": partial(read_ratings, separator="\t", optional=1),
    }
    how = f"get pinterest-20.train.rating of He et al. 2017 from the folder Data of {NCF}"
    return read_first("pinterest", readers, how, data_dir)
