"""Raw files with an official source: found on disk, or downloaded, checked and unpacked."""

import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import pooch

from lxr.utils.memory import fits, free, readable
from lxr.utils.storage import DataError

# An address, and a function that downloads from it into a directory and returns the names of the files.
Download = tuple[str, Callable[[Path], tuple[str, ...]]]

# --- Pinterest and Yahoo! Music --------------------------------------------------------------------------------------


def read_first(
    dataset: str, readers: Mapping[str, Callable[[Path], pd.DataFrame]], how: str, data_dir: Path
) -> pd.DataFrame:
    """Read the first of several files that is in ``data_dir/<dataset>/`` or in ``data_dir`` itself.

    Args:
        dataset: name of the dataset.
        readers: name of a file → its reader.
        how: how to get the first of them, for the message about missing files.
        data_dir: the directory of raw data.
    """
    for name, read in readers.items():
        directory = find_files([data_dir / dataset, data_dir], (name,))
        if directory is not None:
            ratings = read(directory / name)
            ratings.attrs = {"source": [str(directory / name)]}
            return ratings
    raise DataError(
        f"dataset {dataset} is not in {data_dir}, and there is no address that it could be downloaded from:\n{how},\n"
        f"and put it into {data_dir / dataset}; one of {', '.join(readers)} is looked for there"
    )


@dataclass(frozen=True)
class Archive:
    """Raw files with an official source: an archive whose SHA-256 is checked before anything is read.

    Attributes:
        name: name of the dataset and of the directory in the archive.
        url: official address.
        sha256: checksum of the archive from any address.
        files: names of the files to unpack.
        mirrors: addresses of identical copies, in the order of attempts.
    """

    name: str
    url: str
    sha256: str
    files: tuple[str, ...]
    mirrors: tuple[str, ...] = ()


def find_files(directories: list[Path], names: tuple[str, ...]) -> Path | None:
    """First directory with the first of the files; it must hold all of them.

    Raises:
        DataError: the directory lacks some of them.
    """
    for directory in directories:
        if (directory / names[0]).is_file():
            missing = [name for name in names if not (directory / name).is_file()]
            if missing:
                raise DataError(f"{directory}: found {names[0]}, but {', '.join(missing)} is missing")
            return directory
    return None


def fetch(archive: Archive, data_dir: Path, fallback: Download | None = None) -> Path:
    """Download from the official address, else from a mirror, else from the fallback.

    Returns:
        The directory ``data_dir/<name>`` with the files in it.

    Raises:
        DataError: no source answers, or a file is altered; says what to do.
    """
    sources: list[Download] = [(url, partial(_download_archive, archive, url)) for url in (archive.url, *archive.mirrors)]
    sources += [fallback] if fallback else []
    target, failures = data_dir / archive.name, []
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=data_dir, prefix=f".{archive.name}-") as temporary:
            for source, download in sources:
                try:
                    names = download(Path(temporary))
                except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                    failures.append(f"  {source}: {(str(error) or type(error).__name__).splitlines()[0][:500]}")
                else:
                    target.mkdir(exist_ok=True)
                    for name in reversed(names):  # last the first file, by which a directory is found
                        (Path(temporary) / name).replace(target / name)
                    return target
    except OSError as error:
        raise DataError(f"cannot write to the data directory {data_dir}: {error.strerror or error}") from error
    raise DataError(
        f"dataset {archive.name} is not in {data_dir} and could not be downloaded:\n"
        + "\n".join(failures)
        + f"\nFetch {archive.url} on another machine and put {', '.join(archive.files)} into {target}, "
        "or work offline with --dataset synthetic."
    )


def _download_archive(archive: Archive, url: str, directory: Path) -> tuple[str, ...]:
    """Download an archive from one of its addresses, check it, and unpack its files; returns their names."""
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)
    path = pooch.retrieve(url, f"sha256:{archive.sha256}", fname="archive.zip", path=directory, downloader=downloader)
    with zipfile.ZipFile(path) as unpacked:
        for name in archive.files:
            (directory / name).write_bytes(read_member(unpacked, f"{archive.name}/{name}"))
    return archive.files


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read one file of a zip archive.

    Raises:
        DataError: the file does not fit into memory.
        KeyError: there is no such file.
    """
    size = archive.getinfo(name).file_size
    if not fits(size):
        raise DataError(f"{name}: expected a file that fits into memory ({free()} free), found {readable(size)}")
    return archive.read(name)
