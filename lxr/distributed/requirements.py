"""Requirements of the workers of a cluster: the client's versions, sources and shared directory."""

import functools
import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path

from lxr.utils.environment import PACKAGES, package_versions
from lxr.utils.extras import extra
from lxr.utils.memory import keep_freed_memory
from lxr.utils.storage import temporary_name

LIBRARY = Path(__file__).resolve().parents[1]
SUFFIXES = (".py", ".csv", ".css", ".js")  # files of the library, as in pyproject.toml


@dataclass(frozen=True)
class Requirements:
    """State that every worker must have.

    Attributes:
        versions: names and versions of Python, of this library, of its sources, and of packages.
        token: file of the client in the shared directory, with its name as text; None if nothing is shared.
    """

    versions: tuple[tuple[str, str], ...]
    token: Path | None = None

    def complaints(self) -> list[str]:
        """Differences between this process and the requirements."""
        found = versions()
        expected = dict(self.versions)
        said = [
            f"{name}: expected {expected.get(name, 'none')}, found {found.get(name, 'none')}"
            for name in expected | found
            if expected.get(name) != found.get(name)
        ]
        if self.token:
            try:
                same = self.token.read_text(encoding="utf-8") == self.token.name
                said += [] if same else [f"{self.token.parent}: expected the client's directory, found another one"]
            except OSError as error:
                said.append(f"{self.token.parent}: expected the client's directory, found another one or none ({error})")
        return said


def versions() -> dict[str, str]:
    """Versions of Python, of this library and its sources, and of the packages on which results and messages depend."""
    names = ("lxr", *PACKAGES, "pyarrow", "dask", "distributed")
    return {"Python": platform.python_version(), "sources of lxr": _sources(), **package_versions(names)}


@functools.cache
def _sources() -> str:
    """First digits of the hash of all files of the library."""
    digest = hashlib.sha256()
    for path in sorted(path for path in LIBRARY.rglob("*") if path.suffix in SUFFIXES):
        digest.update(f"{path.relative_to(LIBRARY).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def write_token(directory: Path) -> Path:
    """Write the client's token into the shared directory.

    It is a temporary file: it is swept if the client is killed.

    Raises:
        ValueError: the directory cannot be written.
    """
    token = temporary_name(directory / "token")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        token.write_text(token.name, encoding="utf-8")
    except OSError as error:
        raise ValueError(f"directory: expected one that can be written, found {directory} ({error})") from error
    return token


def answer(requirements: Requirements) -> tuple[list[str], Path | None]:
    """On a worker: its differences, and a file that it has written into the shared directory."""
    complaints, written = requirements.complaints(), None
    if requirements.token and not complaints:
        try:
            written = temporary_name(requirements.token.with_name("token"))
            written.touch()
        except OSError as error:
            return [f"{written}: expected a directory that can be written ({error})"], None
    return complaints, written


@functools.lru_cache
def prepare_worker(requirements: Requirements) -> None:
    """On a worker, before its first task: check it, and let it keep freed memory.

    Raises:
        ValueError: it lists the differences.
    """
    with extra("distributed"):
        from distributed import get_worker

    if complaints := requirements.complaints():
        said = "\n  ".join(complaints)
        raise ValueError(f"worker {get_worker().address} differs from the client:\n  {said}")
    keep_freed_memory()
