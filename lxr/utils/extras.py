"""Optional packages: imported where they are used, with an error that names the extra to install."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

# The packages of each extra are in pyproject.toml.
Extra = Literal["explainers", "tuning", "plots", "runs", "app", "serve", "onnx", "distributed"]


@contextmanager
def extra(name: Extra) -> Iterator[None]:
    """Context for imports of packages that an extra of this library installs.

    Args:
        name: the extra.

    Raises:
        ImportError: a package is missing; names it, and the command that installs the extra.

    Example:
        >>> with extra("plots"):
        ...     import no_such_package
        Traceback (most recent call last):
        ...
        ImportError: no_such_package is not installed: pip install "lxr[plots]"
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or str(error)).partition(".")[0]
        raise ImportError(f'{package} is not installed: pip install "lxr[{name}]"', name=error.name) from error
