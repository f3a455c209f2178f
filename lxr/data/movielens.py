"""MovieLens 100K and 1M: ratings, titles and, on request, user features."""

import hashlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from lxr.data.reading.columns import integer_ids, numeric, refuse
from lxr.data.reading.download import Archive, fetch, find_files, read_member
from lxr.data.reading.files import read_ratings, read_table
from lxr.utils.storage import DataError, sha256

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
    mirrors=(
        # of the Recommenders project, if the first address does not answer
        "https://huggingface.co/datasets/Recommenders/MovieLens/resolve/main/ml-1m.zip",
    ),
)
# RecBole ships MovieLens 100K inside its wheel: a second source, from the package index, if the
# first one does not answer.
RECBOLE_WHEEL = "recbole==1.2.1"
RECBOLE_FILES = {
    "ml-100k.inter": "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
    "ml-100k.item": "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    "ml-100k.user": "4f670007d9cfbeb9807e757209af1555b9bcc186bde25e767f67cb67c6dd5972",
}
ML_100K_RATINGS_SHA256 = "06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"  # u.data
ML_1M_RATINGS = 1_000_209


def _download_recbole_wheel(directory: Path) -> tuple[str, ...]:
    """Fetch the wheel that carries MovieLens 100K, and unpack its files, each checked; returns their names.

    Raises:
        DataError: the download fails, or a file in the wheel is altered.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(directory), RECBOLE_WHEEL]
    finished = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=False)
    if finished.returncode != 0:
        raise DataError(f"pip download failed: {(finished.stderr.strip() or 'no message').splitlines()[-1]}")
    with zipfile.ZipFile(next(directory.glob("*.whl"))) as wheel:
        for name, expected in RECBOLE_FILES.items():
            content = read_member(wheel, f"recbole/dataset_example/ml-100k/{name}")
            found = hashlib.sha256(content).hexdigest()
            if found != expected:
                raise DataError(f"{name}: expected SHA-256 {expected}, found {found}")
            (directory / name).write_bytes(content)
    return tuple(RECBOLE_FILES)


def _read_titles(path: Path, separator: str, columns: list[str], encoding: str = "utf-8", header: bool = False) -> dict:
    """Item id → title, from a file with the columns ``item``, ``title`` and possibly ``year``."""
    raw = read_table(path, separator, columns, encoding, header)
    titles = raw["title"] + " (" + raw["year"] + ")" if "year" in columns else raw["title"]
    return dict(zip(integer_ids(raw, "item", path).tolist(), titles.map(natural_title), strict=True))


def natural_title(title: str) -> str:
    """``"Net, The (1995)"`` → ``"The Net (1995)"``."""
    return re.sub(
        r"^(.*), (The|A|An|Les?|La|Das|Der|Die|Il|El|L')(?= \(|$)",
        lambda match: f"{match[2]}{'' if match[2].endswith(chr(39)) else ' '}{match[1]}",
        title,
    )


def _find_ml_100k(data_dir: Path) -> tuple[Path, bool]:
    """Directory of MovieLens 100K, downloaded if necessary; and whether it has the official files or RecBole's copy."""
    places = [data_dir / "ml-100k", data_dir]
    official, copied = find_files(places, ML_100K.files[:2]), find_files(places, tuple(RECBOLE_FILES)[:2])
    found = official or copied or fetch(ML_100K, data_dir, fallback=(RECBOLE_WHEEL, _download_recbole_wheel))
    return found, official is not None or (copied is None and (found / "u.data").is_file())


def read_ml_100k(data_dir: Path) -> pd.DataFrame:
    """Read MovieLens 100K from the official files or RecBole's copy, which has the same ratings and titles.

    Raises:
        DataError: a file is missing, altered or malformed.
    """
    directory, official = _find_ml_100k(data_dir)
    if official:
        path, expected = directory / "u.data", ML_100K_RATINGS_SHA256
        columns = ["item", "title", "release", "video release", "url", *(f"genre {number}" for number in range(19))]
        titles = _read_titles(directory / "u.item", "|", columns, encoding="latin-1")
    else:
        path, expected = directory / "ml-100k.inter", RECBOLE_FILES["ml-100k.inter"]
        titles = _read_titles(directory / "ml-100k.item", "\t", ["item", "title", "year", "genres"], header=True)
        unknown = "unkonwn (unkonwn)"  # the spelling of the file
        titles = {item: "unknown" if title == unknown else title for item, title in titles.items()}
    ratings = read_ratings(path, "\t", header=not official)
    _check_sha256(path, expected)
    ratings.attrs = {"titles": titles, "source": [str(path)]}
    return ratings


def _check_sha256(path: Path, expected: str) -> None:
    """Refuse a truncated or altered file.

    Raises:
        DataError: names the file and both checksums.
    """
    found = sha256(path)
    if found != expected:
        raise DataError(
            f"{path} is truncated or altered: expected SHA-256 {expected}, found {found}; delete it to download it again"
        )


def _find_ml_1m(data_dir: Path) -> Path:
    """Find MovieLens 1M in ``data_dir/ml-1m/`` or ``data_dir``, or download it."""
    return find_files([data_dir / "ml-1m", data_dir], ML_1M.files[:2]) or fetch(ML_1M, data_dir)


def read_ml_1m(data_dir: Path) -> pd.DataFrame:
    """Read MovieLens 1M.

    Raises:
        DataError: a file is missing, truncated or malformed.
    """
    directory = _find_ml_1m(data_dir)
    path = directory / "ratings.dat"
    ratings = read_ratings(path, "::")
    # A count accepts copies with other line ends, which do not matter here; a checksum would refuse them.
    if len(ratings) != ML_1M_RATINGS:
        raise DataError(f"{path} is truncated or altered: expected {ML_1M_RATINGS} ratings, found {len(ratings)}")
    titles = _read_titles(directory / "movies.dat", "::", ["item", "title", "genres"], encoding="latin-1")
    ratings.attrs = {"titles": titles, "source": [str(path)]}
    return ratings


# --- user features ----------------------------------------------------------------------------------------------------

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
NOT_SAID = ("other", "none")  # occupations of MovieLens 100K that explain nothing
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


def _user_table(raw: pd.DataFrame, path: Path, occupations: pd.Series) -> pd.DataFrame:
    """Gender, age group and occupation of every user, from a file with the columns ``user``, ``gender`` and ``age``."""
    gender, age = raw["gender"].map(GENDERS), numeric(raw, "age", path, integer=True)
    refuse(gender.isna(), path, raw["gender"], "F or M as gender")
    refuse(age < 1, path, raw["age"], "an age of at least 1")
    group = np.searchsorted(list(AGE_GROUPS), age, side="right") - 1
    columns = {"gender": gender, "age": np.array(list(AGE_GROUPS.values()))[group], "occupation": occupations}
    users = pd.DataFrame(columns).set_index(integer_ids(raw, "user", path))
    users.attrs["source"] = [str(path)]
    return users


def read_ml_100k_users(data_dir: Path) -> pd.DataFrame:
    """Gender, age group and occupation that the users of MovieLens 100K stated."""
    directory, official = _find_ml_100k(data_dir)
    name, separator = ("u.user", "|") if official else ("ml-100k.user", "\t")
    find_files([directory], ("u.data" if official else "ml-100k.inter", name))
    columns = ["user", "age", "gender", "occupation", "zip code"]
    raw = read_table(directory / name, separator, columns, header=not official)
    return _user_table(raw, directory / name, raw["occupation"].mask(raw["occupation"].isin(NOT_SAID), None))


def read_ml_1m_users(data_dir: Path) -> pd.DataFrame:
    """Gender, age group and occupation that the users of MovieLens 1M stated."""
    directory = _find_ml_1m(data_dir)
    find_files([directory], ("ratings.dat", "users.dat"))
    path = directory / "users.dat"
    raw = read_table(path, "::", ["user", "gender", "age", "occupation", "zip code"])
    code = numeric(raw, "occupation", path, integer=True)
    refuse(~code.between(0, len(ML_1M_OCCUPATIONS) - 1), path, raw["occupation"], "an occupation from 0 to 20")
    return _user_table(raw, path, code.map(dict(enumerate(ML_1M_OCCUPATIONS))))
