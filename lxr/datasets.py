"""The dataset registry: where a dataset comes from, its checksums, and its raw format → a ratings frame.

A ratings frame has the columns ``user``, ``item``, ``rating`` and possibly ``timestamp``, one row per rating. Titles
(and, for ``synthetic``, the planted taste groups) travel in ``ratings.attrs["titles"]`` and ``["groups"]``, dictionaries
keyed by item id; what is known of the users, if it was asked for, in ``["user_features"]``, keyed by user id.
"""

import hashlib
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

from lxr.files import FIELD, numeric, read_table, refuse
from lxr.registry import Registry
from lxr.storage import DataError

PROJECT_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Dataset:
    """One entry of the registry.

    Attributes:
        read: the ratings frame of a data directory.
        min_rating, min_items_per_user, min_users_per_item: the rule of :func:`lxr.prepare`.
        description: what it is, in a few words.
        read_users: where the source knows anything of its users, one row per user id and one column of texts per feature,
            None where it is unknown.

    Example:
        >>> import lxr
        >>> def read(data_dir):
        ...     return lxr.read_ratings_file(data_dir / "shop.csv")
        >>> lxr.DATASETS["shop"] = Dataset(read, min_rating=3)  # from now on lxr.load_dataset("shop") knows it
        >>> del lxr.DATASETS["shop"]
    """

    read: Callable[[Path], pd.DataFrame]
    min_rating: float = 4
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
NCF = "https://github.com/hexiangnan/neural_collaborative_filtering"
WEBSCOPE = "https://webscope.sandbox.yahoo.com"
NEVER_PLAY = 255  # of Yahoo! Music, whose other ratings are 0 to 100


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


def rule_of(
    name: str,
    min_rating: float | None = None,
    min_items_per_user: int | None = None,
    min_users_per_item: int | None = None,
) -> dict[str, float]:
    """The thresholds of :func:`lxr.prepare` for a dataset: the registered ones, or 4, 2 and 2 if it is not registered.

    Args:
        name: of the dataset.
        min_rating, min_items_per_user, min_users_per_item: what is to replace them, unless None.

    Returns:
        Keyword arguments of :func:`lxr.prepare`.

    Example:
        >>> rule_of("yahoo-music", min_items_per_user=5)
        {'min_rating': 71, 'min_items_per_user': 5, 'min_users_per_item': 2}
    """
    given = {
        "min_rating": min_rating,
        "min_items_per_user": min_items_per_user,
        "min_users_per_item": min_users_per_item,
    }
    dataset = DATASETS.get(name, Dataset)  # whose defaults are attributes of the class
    return {threshold: getattr(dataset, threshold) if value is None else value for threshold, value in given.items()}


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- finding and fetching raw files ----------------------------------------------------------------------------------


def find_files(directories: list[Path], names: tuple[str, ...]) -> Path | None:
    """The first directory that holds the first of the files; then it must hold them all.

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


def fetch(archive: Archive, data_dir: Path, fallback: tuple[str, Callable[[Path], tuple[str, ...]]] | None = None) -> Path:
    """Download from the official home, else from the fallback; say what to do by hand when neither answers.

    Returns:
        The directory ``data_dir/<name>`` with the files in it.

    Raises:
        DataError: no source answers, or what comes is altered.
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
    """Fetch the wheel that carries MovieLens 100K, and unpack its files, each checked; returns their names.

    Raises:
        DataError: the wheel cannot be had, or a file in it is altered.
    """
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


def read_ratings(path: Path, separator: str, header: bool = False, n_columns: int = 4, optional: int = 0) -> pd.DataFrame:
    """Read a file of lines ``user, item, rating, timestamp``, or of the first of them.

    Args:
        path: the file.
        separator: of values.
        header: whether its first line has names.
        n_columns: how many of the four a line has.
        optional: how many of these the file may lack.
    """
    columns = ["user", "item", "rating", "timestamp"][:n_columns]
    raw = read_table(path, separator, columns, header=header, optional=optional)
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
    """MovieLens 100K, from the official files or from RecBole's copy of them: the same ratings and titles.

    Raises:
        DataError: a file is missing, altered or malformed.
    """
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
    """Refuse a truncated or altered file.

    Raises:
        DataError: names the file and both checksums.
    """
    found = sha256(path)
    if found != expected:
        raise DataError(
            f"{path} is truncated or altered: expected SHA-256 {expected}, found {found}; delete it to fetch it anew"
        )


def find_ml_1m(data_dir: Path) -> Path:
    """Where MovieLens 1M is: in ``data_dir/ml-1m/`` or in ``data_dir`` itself, else downloaded."""
    return find_files([data_dir / "ml-1m", data_dir], ML_1M.files[:2]) or fetch(ML_1M, data_dir)


def read_ml_1m(data_dir: Path) -> pd.DataFrame:
    """MovieLens 1M.

    Raises:
        DataError: a file is missing, truncated or malformed.
    """
    directory = find_ml_1m(data_dir)
    path = directory / "ratings.dat"
    ratings = read_ratings(path, "::")
    # A checksum would refuse copies that differ in nothing that matters here (line ends, time stamps); the count does not.
    if len(ratings) != ML_1M_RATINGS:
        raise DataError(f"{path} is truncated or altered: expected {ML_1M_RATINGS} ratings, found {len(ratings)}")
    titles = read_titles(directory / "movies.dat", "::", ["item", "title", "genres"], encoding="latin-1")
    ratings.attrs = {"titles": titles, "source": [str(path)]}
    return ratings


def read_first(dataset: str, readers: dict[str, Callable[[Path], pd.DataFrame]], how: str, data_dir: Path) -> pd.DataFrame:
    """Read the first of several files that is in ``data_dir/<dataset>/`` or in ``data_dir`` itself.

    Args:
        dataset: its name.
        readers: name of a file → its reader.
        how: where to get the first of them from, for the message that says it is missing.
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


def read_pinterest(data_dir: Path) -> pd.DataFrame:
    """Pinterest: the training file of He et al. (WWW 2017), or ``user,item,rating`` as in the code published with LXR.

    Raises:
        DataError: the file is missing or malformed.
    """
    table = partial(read_ratings, separator=",", n_columns=3)
    readers = {
        "pinterest.csv": table,
        "pinterest_data.csv": table,  # as it is called there
        "pinterest-20.train.rating": partial(read_ratings, separator="\t", optional=1),
    }
    how = f"get pinterest-20.train.rating of He et al. 2017 from the folder Data of {NCF}"
    return read_first("pinterest", readers, how, data_dir)


def read_yahoo_music(data_dir: Path) -> pd.DataFrame:
    """Yahoo! Music: ``user,item,rating`` as in the code published with LXR, or a file of track 1 of KDD Cup 2011.

    Ratings are integers from 0 to 100; 255, "never play it again", becomes 0.

    Raises:
        DataError: the file is missing or malformed.
    """
    readers = {
        "yahoo-music.csv": read_yahoo_table,
        "Yahoo_ratings.csv": read_yahoo_table,  # as it is called there
        "trainIdx1.txt": read_kdd_cup,
    }
    how = (
        "ask Yahoo! for dataset C15 of its Webscope programme (Yahoo! Music user ratings of musical tracks, albums, artists "
        f"and genres; the data of KDD Cup 2011; {WEBSCOPE}), which takes an agreement; take trainIdx1.txt of track 1, or a "
        "subset of it in the same form or, as yahoo-music.csv, in lines user,item,rating"
    )
    return read_first("yahoo-music", readers, how, data_dir)


def read_yahoo_table(path: Path) -> pd.DataFrame:
    """Lines ``user,item,rating`` with the ratings of Yahoo! Music."""
    return yahoo_ratings(read_table(path, ",", ["user", "item", "rating"]), path)


def read_kdd_cup(path: Path) -> pd.DataFrame:
    """Blocks of track 1 of KDD Cup 2011: ``user|n``, then n lines ``item, score`` or ``item, score, date, time``, by tabs.

    Raises:
        DataError: names the file and the line.

    Source: Dror, Koenigstein, Koren & Weimer, The Yahoo! Music Dataset and KDD-Cup'11, JMLR W&CP 18, 2012.
    """
    lines = read_table(path, FIELD, ["line"])["line"]
    is_head = lines.str.contains("|", regex=False)
    is_head.iloc[0] = True  # or it is refused
    heads = matched(lines[is_head], r"^(?P<user>\d+)\|(?P<count>\d+)$", "user|number of ratings", path)
    rows = matched(
        lines[~is_head],
        r"^(?P<item>\d+)\t(?P<rating>\d+)(?:\t[^\t]+\t[^\t]+)?$",
        "item<tab>score or item<tab>score<tab>date<tab>time",
        path,
    )
    block = is_head.cumsum()[~is_head].to_numpy() - 1
    expected, found = heads["count"].astype(np.int64), np.bincount(block, minlength=len(heads))
    wrong = expected != found
    if wrong.any():
        line = wrong.idxmax()
        raise DataError(
            f"{path}, line {line}: expected {expected[line]} ratings of user {heads['user'][line]}, "
            f"found {found[wrong.to_numpy().argmax()]}"
        )
    return yahoo_ratings(rows.assign(user=heads["user"].to_numpy()[block]), path)


def matched(lines: pd.Series, pattern: str, expected: str, path: Path) -> pd.DataFrame:
    """The named groups of a pattern in every line, or a :class:`DataError` that names the first line without them."""
    groups = lines.str.extract(pattern)
    refuse(groups.isna().any(axis=1), path, lines.str[:80], expected)
    return groups


def yahoo_ratings(raw: pd.DataFrame, path: Path) -> pd.DataFrame:
    """A ratings frame of strings, its ratings checked, and 0 for what is never to be played again."""
    ratings = pd.DataFrame({column: numeric(raw, column, path, integer=True) for column in ("user", "item", "rating")})
    wrong = ~ratings["rating"].between(0, 100) & (ratings["rating"] != NEVER_PLAY)
    refuse(wrong, path, raw["rating"], f"a rating from 0 to 100, or {NEVER_PLAY}")
    return ratings.replace({"rating": {NEVER_PLAY: 0}}).astype({"rating": float}).reset_index(drop=True)


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
        "pinterest": Dataset(read_pinterest, min_rating=0, description="Pinterest: every pair counts"),
        "yahoo-music": Dataset(read_yahoo_music, min_rating=71, description="Yahoo! Music: integers above 70"),
    },
)
"""Name → dataset; ``Data/README.md`` says where raw files come from and where they are put."""
