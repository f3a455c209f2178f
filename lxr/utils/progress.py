"""Progress bars that an environment variable can switch off."""

import os

from tqdm.auto import tqdm


def progress_bar(iterable=None, disable: bool = False, **options) -> tqdm:
    """``tqdm.auto`` that vanishes when it is done; ``TQDM_DISABLE`` switches it off, also in notebooks.

    Args:
        iterable: the elements to count, or None to count by ``update``.
        disable: no bar.
        options: further arguments of ``tqdm``: ``total``, ``desc``, ``unit``.

    Returns:
        The bar, which yields the elements of the iterable.

    Example:
        >>> [step for step in progress_bar(range(3), desc="steps")]
        [0, 1, 2]
    """
    silent = os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    return tqdm(iterable, leave=False, disable=disable or silent, **options)
