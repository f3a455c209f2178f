"""Level 2: independent shards of users on many workers.

Example:
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from lxr.distributed import map_shards
    >>> with ThreadPoolExecutor(2) as threads:
    ...     list(map_shards(len, ["one", "three"], executor=threads))
    [3, 5]
"""

from lxr.distributed.cluster import ClusterError, ClusterExecutor, connect
from lxr.distributed.shards import map_shards

__all__ = ["ClusterError", "ClusterExecutor", "connect", "map_shards"]
