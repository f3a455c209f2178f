"""Progress bars that can be switched off from outside."""

import os

from tqdm.auto import tqdm


def progress_bar(iterable=None, disable: bool = False, **options) -> tqdm:
    """``tqdm.auto`` that vanishes when it is done, and that the environment's ``TQDM_DISABLE`` silences in notebooks too.

    Args:
        iterable: what to go through, or None to count by ``update``.
        disable: no bar.
        options: further arguments of ``tqdm``: ``total``, ``desc``, ``unit``.

    Returns:
        The bar, which yields what the iterable does.

    Example:
        >>> [step for step in progress_bar(range(3), desc="steps")]
        [0, 1, 2]
    """
    silent = os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    return tqdm(iterable, leave=False, disable=disable or silent, **options)
