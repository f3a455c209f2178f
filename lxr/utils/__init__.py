"""Level 1: checks of options, storage, sparse matrices, weights, the machine. Nothing here knows recommenders.

Example:
    >>> import scipy.sparse as sp
    >>> from lxr.utils import choose_device, dense
    >>> dense(sp.csr_matrix([[0, 1, 1]]), choose_device("cpu"))
    tensor([[0., 1., 1.]])
"""

from lxr.utils.environment import choose_device
from lxr.utils.progress import progress_bar
from lxr.utils.sparse import batches, dense
from lxr.utils.storage import DataError, read_frame, save_frame
from lxr.utils.weights import initialize

__all__ = ["DataError", "batches", "choose_device", "dense", "initialize", "progress_bar", "read_frame", "save_frame"]
