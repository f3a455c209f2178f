"""The dataset registry: where a dataset comes from, its checksums, and its raw format → a ratings frame.

A ratings frame has the columns ``user``, ``item``, ``rating`` and possibly ``timestamp``, one row per rating. Titles
(and, for ``synthetic``, the planted taste groups) travel in ``ratings.attrs["titles"]`` and ``["groups"]``, dictionaries
keyed by item id; what is known of the users, if it was asked for, in ``["user_features"]``, keyed by user id.
"""

import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pooch

from lxr.registry import Registry
from lxr.storage import DataError

PROJECT_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Dataset:
    """One entry of the registry.

    ``read(data_dir)`` returns the ratings frame; the three thresholds are the rule of :func:`lxr.prepare`.
    ``read_users(data_dir)``, where the source knows anything of its users, returns one row per user id and one column of
    texts per feature, None where it is unknown.
    """

    read: Callable[[Path], pd.DataFrame]
    min_rating: float
    min_items_per_user: int = 2
    min_users_per_item: int = 2
    description: str = ""
    read_users: Callable[[Path], pd.DataFrame] | None = None


@dataclass(frozen=True)
class Archive:
    """Raw files with an official home: an archive that is checked against its SHA-256 before anything is read."""

    name: str
    url: str
    sha256: str
    files: tuple[str, ...]


ML_100K = Archive(
    "ml-100k",
    "https://files.grouplens.org/datasets/movielens/ml-100k.zip",
    "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    ("u.data", "u.item", "u.user"),
)
ML_1M = Archive(
    "ml-1m",
    "https://files.grouplens.org/datasets/movielens/ml-1m.zip",
    "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    ("ratings.dat", "movies.dat", "users.dat"),
)
# RecBole ships MovieLens 100K inside its wheel: a second source, from the package index, for the days on which the
# first one does not answer.
RECBOLE_WHEEL = "recbole==1.2.1"
RECBOLE_FILES = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    "ml-100k.user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
}
ML_100K_RATINGS_SHA256 = "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"  # u.data
ML_1M_RATINGS = 1_000_209
FIELD = "\x1f"  # the separator that raw files are rewritten with for parsing: no file has it


def data_directory(data_dir: str | Path | None = None) -> Path:
    """The directory of raw data: the argument, else the environment's ``LXR_DATA_DIR``, else ``Data/`` of the project."""
    return Path(data_dir or os.environ.get("LXR_DATA_DIR") or PROJECT_ROOT / "Data")


def load_ratings(name: str, data_dir: str | Path | None = None, user_features: bool = False) -> pd.DataFrame:
    """Load the raw ratings of a registered dataset, downloading them when they are not in the data directory.

    Args:
        name: a key of :data:`DATASETS`.
        data_dir: where raw files are looked for and downloaded to; see :func:`data_directory`.
        user_features: also read what the source knows of its users. That is personal data, which is not opened otherwise.

    Returns:
        A frame with the columns ``user``, ``item``, ``rating`` and, where the source has it, ``timestamp``.
        ``attrs["titles"]`` maps item ids to titles; ``attrs["source"]`` lists the files read;
        ``attrs["user_features"]``, if asked for, maps user ids to features: ``{1: {"gender": "female"}}``.

    Raises:
        ValueError: the name is unknown.
        DataError: a file is missing, truncated, altered or malformed, or the source knows nothing of its users.

    Example:
        >>> load_ratings("synthetic").columns.tolist()
        ['user', 'item', 'rating']
    """
    dataset, directory = DATASETS[name], data_directory(data_dir)
    ratings = dataset.read(directory)
    if user_features:
        if dataset.read_users is None:
            raise DataError(f"user_features: expected False, since dataset {name} knows nothing of its users")
        users = dataset.read_users(directory)
        sources = [*ratings.attrs.get("source", ()), *users.attrs.get("source", ())]
        ratings.attrs |= {"user_features": users.to_dict("index"), "source": sources}
    return ratings


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- finding and fetching raw files ----------------------------------------------------------------------------------


def find_files(directories: list[Path], names: tuple[str, ...]) -> Path | None:
    """The first directory that holds the first of the files; then it must hold them all."""
    for directory in directories:
        if (directory / names[0]).is_file():
            missing = [name for name in names if not (directory / name).is_file()]
            if missing:
                raise DataError(f"{directory}: found {names[0]}, but {', '.join(missing)} is missing")
            return directory
    return None


def fetch(archive: Archive, data_dir: Path, fallback: tuple[str, Callable[[Path], tuple[str, ...]]] | None = None) -> Path:
    """Download from the official home, else from the fallback; say what to do by hand when neither answers.

    Returns:
        The directory ``data_dir/<name>`` with the files in it.
    """
    sources = [(archive.url, partial(download_archive, archive)), *([fallback] if fallback else [])]
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
                    for name in reversed(names):  # the first, by which they are found, last
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


def download_archive(archive: Archive, directory: Path) -> tuple[str, ...]:
    """Download an archive, check it, and unpack its files into ``directory``; returns their names."""
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=30)
    path = pooch.retrieve(
        archive.url, f"sha256:{archive.sha256}", fname="archive.zip", path=directory, downloader=downloader
    )
    with zipfile.ZipFile(path) as unpacked:
        for name in archive.files:
            (directory / name).write_bytes(unpacked.read(f"{archive.name}/{name}"))
    return archive.files


def download_recbole_wheel(directory: Path) -> tuple[str, ...]:
    """Fetch the wheel that carries MovieLens 100K, and unpack its files, each checked; returns their names."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", directory, RECBOLE_WHEEL]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise DataError(f"pip download failed: {(finished.stderr.strip() or 'no message').splitlines()[-1]}")
    with zipfile.ZipFile(next(directory.glob("*.whl"))) as wheel:
        for name, expected in RECBOLE_FILES.items():
            content = wheel.read(f"recbole/dataset_example/ml-100k/{name}")
            found = hashlib.sha256(content).hexdigest()
            if found != expected:
                raise DataError(f"{name}: expected SHA-256 {expected}, found {found}")
            (directory / name).write_bytes(content)
    return tuple(RECBOLE_FILES)


# --- reading raw files -----------------------------------------------------------------------------------------------


def read_table(path: Path, separator: str, columns: list[str], encoding: str = "utf-8", header: bool = False):
    """Read a plain separated text file as strings, one column per name, with an exact check of every line.

    Raises:
        DataError: the file cannot be decoded or a line has another number of fields; names the file and the line.
    """
    try:
        text = path.read_text(encoding=encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected {encoding} text, found byte {error.object[error.start]:#x}") from error
    lines = text.splitlines()
    first_line = 2 if header else 1
    body = lines[first_line - 1 :]
    for number, line in enumerate(body, start=first_line):
        if line.count(separator) != len(columns) - 1 or FIELD in line:
            expected = separator.join(columns).replace("\t", "<tab>")
            raise DataError(f"{path}, line {number}: expected {expected}, found {line[:80]!r}")
    if not body:
        raise DataError(f"{path}: expected at least one line of data, found none")
    content = "\n".join(body).replace(separator, FIELD)
    frame = pd.read_csv(
        io.StringIO(content), sep=FIELD, names=columns, dtype=str, quoting=3, keep_default_na=False, na_filter=False
    )
    frame.index += first_line
    return frame


def numeric(frame: pd.DataFrame, column: str, path: Path, integer: bool = False) -> pd.Series:
    """A column of strings as finite numbers; a :class:`DataError` names the first line that is none."""
    values = pd.to_numeric(frame[column], errors="coerce")
    bad = ~np.isfinite(values) | ((values % 1 != 0) if integer else False)
    refuse(bad, path, frame[column], f"{'an integer' if integer else 'a number'} as {column}")
    return values.astype(np.int64 if integer else np.float64)


def refuse(bad: pd.Series, path: Path, found: pd.Series, expected: str) -> None:
    """Name the first bad line of a file, if there is one, and what was found in it."""
    if bad.any():
        line = bad.idxmax()
        raise DataError(f"{path}, line {line}: expected {expected}, found {found[line]!r}")


def read_ratings(path: Path, separator: str, header: bool = False) -> pd.DataFrame:
    """Read a file of lines ``user, item, rating, timestamp``."""
    raw = read_table(path, separator, ["user", "item", "rating", "timestamp"], header=header)
    return pd.DataFrame(
        {column: numeric(raw, column, path, integer=column != "rating") for column in raw.columns}
    ).reset_index(drop=True)


def read_titles(path: Path, separator: str, columns: list[str], encoding: str = "utf-8", header: bool = False) -> dict:
    """Item id → title of a file with the columns ``item``, ``title`` and possibly ``year``."""
    raw = read_table(path, separator, columns, encoding, header)
    titles = raw["title"] + " (" + raw["year"] + ")" if "year" in columns else raw["title"]
    return dict(zip(numeric(raw, "item", path, integer=True).tolist(), titles.map(natural_title), strict=True))


def natural_title(title: str) -> str:
    """``"Net, The (1995)"`` → ``"The Net (1995)"``."""
    return re.sub(
        r"^(.*), (The|A|An|Les?|La|Das|Der|Die|Il|El|L')(?= \(|$)",
        lambda match: f"{match[2]}{'' if match[2].endswith(chr(39)) else ' '}{match[1]}",
        title,
    )


def find_ml_100k(data_dir: Path) -> tuple[Path | None, Path | None]:
    """Where MovieLens 100K is, else is downloaded to: its official files, or RecBole's copy of them; None is not there."""
    places = [data_dir / "ml-100k", data_dir]
    official, copied = find_files(places, ML_100K.files[:2]), find_files(places, tuple(RECBOLE_FILES)[:2])
    if official is None and copied is None:
        found = fetch(ML_100K, data_dir, fallback=(RECBOLE_WHEEL, download_recbole_wheel))
        official, copied = (found, None) if (found / "u.data").is_file() else (None, found)
    return official, copied


def read_ml_100k(data_dir: Path) -> pd.DataFrame:
    """MovieLens 100K, from the official files or from RecBole's copy of them: the same ratings and titles."""
    official, copied = find_ml_100k(data_dir)
    if official is not None:
        path, expected = official / "u.data", ML_100K_RATINGS_SHA256
        columns = ["item", "title", "release", "video release", "url", *(f"genre {number}" for number in range(19))]
        titles = read_titles(official / "u.item", "|", columns, encoding="latin-1")
    else:
        path, expected = copied / "ml-100k.inter", RECBOLE_FILES["ml-100k.inter"]
        titles = read_titles(copied / "ml-100k.item", "\t", ["item", "title", "year", "genres"], header=True)
        unknown = "unkonwn (unkonwn)"  # as it stands there
        titles = {item: "unknown" if title == unknown else title for item, title in titles.items()}
    ratings = read_ratings(path, "\t", header=official is None)
    check_sha256(path, expected)
    ratings.attrs = {"titles": titles, "source": [str(path)]}
    return ratings


def check_sha256(path: Path, expected: str) -> None:
    """Refuse a truncated or altered file."""
    found = sha256(path)
    if found != expected:
        raise DataError(
            f"{path} is truncated or altered: expected SHA-256 {expected}, found {found}; delete it to fetch it anew"
        )


def find_ml_1m(data_dir: Path) -> Path:
    """Where MovieLens 1M is: in ``data_dir/ml-1m/`` or in ``data_dir`` itself, else downloaded."""
    return find_files([data_dir / "ml-1m", data_dir], ML_1M.files[:2]) or fetch(ML_1M, data_dir)


def read_ml_1m(data_dir: Path) -> pd.DataFrame:
    """MovieLens 1M."""
    directory = find_ml_1m(data_dir)
    path = directory / "ratings.dat"
    ratings = read_ratings(path, "::")
    # A checksum would refuse copies that differ in nothing that matters here (line ends, time stamps); the count does not.
    if len(ratings) != ML_1M_RATINGS:
        raise DataError(f"{path} is truncated or altered: expected {ML_1M_RATINGS} ratings, found {len(ratings)}")
    titles = read_titles(directory / "movies.dat", "::", ["item", "title", "genres"], encoding="latin-1")
    ratings.attrs = {"titles": titles, "source": [str(path)]}
    return ratings


# --- what is known of users ------------------------------------------------------------------------------------------

GENDERS = {"F": "female", "M": "male"}
AGE_GROUPS = {  # of MovieLens 1M, by their lowest age
    1: "under 18",
    18: "18–24",
    25: "25–34",
    35: "35–44",
    45: "45–49",
    50: "50–55",
    56: "56 or older",
}
NOT_SAID = ("other", "none")  # of the occupations of MovieLens 100K: no reason to give anyone
ML_1M_OCCUPATIONS = (
    None,  # "other" or not specified
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)


def user_table(raw: pd.DataFrame, path: Path, occupations: pd.Series) -> pd.DataFrame:
    """Gender, age group and occupation of every user id, of a file with the columns ``user``, ``gender`` and ``age``."""
    gender, age = raw["gender"].map(GENDERS), numeric(raw, "age", path, integer=True)
    refuse(gender.isna(), path, raw["gender"], "F or M as gender")
    refuse(age < 1, path, raw["age"], "an age of at least 1")
    group = np.searchsorted(list(AGE_GROUPS), age, side="right") - 1
    columns = {"gender": gender, "age": np.array(list(AGE_GROUPS.values()))[group], "occupation": occupations}
    users = pd.DataFrame(columns).set_index(numeric(raw, "user", path, integer=True))
    users.attrs["source"] = [str(path)]
    return users


def read_ml_100k_users(data_dir: Path) -> pd.DataFrame:
    """Gender, age group and occupation of the users of MovieLens 100K, as they gave them."""
    official, copied = find_ml_100k(data_dir)
    directory, name, separator = (official, "u.user", "|") if official else (copied, "ml-100k.user", "\t")
    find_files([directory], ("u.data" if official else "ml-100k.inter", name))
    columns = ["user", "age", "gender", "occupation", "zip code"]
    raw = read_table(directory / name, separator, columns, header=official is None)
    return user_table(raw, directory / name, raw["occupation"].mask(raw["occupation"].isin(NOT_SAID), None))


def read_ml_1m_users(data_dir: Path) -> pd.DataFrame:
    """Gender, age group and occupation of the users of MovieLens 1M, as they gave them."""
    directory = find_ml_1m(data_dir)
    find_files([directory], ("ratings.dat", "users.dat"))
    path = directory / "users.dat"
    raw = read_table(path, "::", ["user", "gender", "age", "occupation", "zip code"])
    code = numeric(raw, "occupation", path, integer=True)
    refuse(~code.between(0, len(ML_1M_OCCUPATIONS) - 1), path, raw["occupation"], "an occupation from 0 to 20")
    return user_table(raw, path, code.map(dict(enumerate(ML_1M_OCCUPATIONS))))


# --- generated data --------------------------------------------------------------------------------------------------


def synthetic_ratings(
    n_users: int = 600,
    n_items: int = 160,
    n_groups: int = 8,
    items_per_user: int = 16,
    noise: float = 0.15,
    seed: int = 7,
) -> pd.DataFrame:
    """Generate histories with planted tastes, so that the true reasons of a recommendation are known.

    Every item belongs to one taste group; within its group its popularity falls off like 1 / rank. Every user likes two
    groups and draws ``items_per_user`` (± half) items from them, but a share ``noise`` from all items alike. The true
    reasons of a recommended item are therefore the history items of its own group: ``attrs["groups"]`` tells them.

    Returns:
        A ratings frame in which every rating is 5.
    """
    generator = np.random.default_rng(seed)
    groups = np.arange(n_items) % n_groups
    attraction = 1.0 / (1 + np.arange(n_items) // n_groups)
    users, items = [], []
    for user in range(n_users):
        liked = generator.choice(n_groups, size=2, replace=False)
        taste = np.where(np.isin(groups, liked), attraction, 0.0)
        probability = (1 - noise) * taste / taste.sum() + noise / n_items
        size = int(generator.integers(items_per_user // 2, items_per_user * 3 // 2 + 1))
        items.append(np.sort(generator.choice(n_items, size=size, replace=False, p=probability)))
        users.append(np.full(size, user))
    ratings = pd.DataFrame({"user": np.concatenate(users), "item": np.concatenate(items), "rating": 5.0})
    titles = {
        item: f"Group {'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[groups[item]]}, item {item // n_groups + 1}" for item in range(n_items)
    }
    ratings.attrs = {"titles": titles, "groups": dict(enumerate(groups.tolist())), "source": []}
    return ratings


def synthetic_users(n_users: int = 600, seed: int = 7) -> pd.DataFrame:
    """A feature of the users of :func:`synthetic_ratings` that says nothing of their tastes: it is never a true reason."""
    hand = np.random.default_rng([seed, 1]).choice(["left", "right"], n_users)
    return pd.DataFrame({"hand": hand})


DATASETS: dict[str, Dataset] = Registry(
    "dataset",
    {
        "synthetic": Dataset(
            lambda data_dir: synthetic_ratings(),
            min_rating=4,
            description="planted taste groups",
            read_users=lambda data_dir: synthetic_users(),
        ),
        "ml-100k": Dataset(read_ml_100k, min_rating=4, description="MovieLens 100K", read_users=read_ml_100k_users),
        "ml-1m": Dataset(read_ml_1m, min_rating=4, description="MovieLens 1M", read_users=read_ml_1m_users),
    },
)
