"""Bundles: one directory with a recommender, its explainer and their data, written completely and checked when loaded."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from lxr.data.interactions import Interactions
from lxr.delivery import bundled_explainer, bundled_model
from lxr.delivery.explain import explain_with
from lxr.delivery.explainers import as_explainer, explainer_fingerprint, recommender_fingerprint
from lxr.delivery.explanations import Delivery, Explanations
from lxr.explainers.base import Explainer
from lxr.recommenders import loading
from lxr.recommenders.base import Recommender
from lxr.recommenders.recommendations import check_catalogue
from lxr.utils.directories import atomic_directory, whole_directory
from lxr.utils.environment import package_versions
from lxr.utils.records import read_json, write_json
from lxr.utils.storage import REPAIR, DataError, sha256

FORMAT = "lxr-bundle/1"
MANIFEST, DATA = "manifest.json", "interactions.npz"
FILES = (*bundled_model.FILES, *bundled_explainer.FILES, DATA)
VERSIONS = ("lxr", "torch", "numpy", "scipy")


@dataclass(frozen=True, eq=False)
class Bundle:
    """Content of a directory that :func:`save` wrote.

    Attributes:
        model: the recommender.
        explainer: an explainer of the model, or None.
        data: histories, ids and titles, or None.
        versions: versions of packages at the time of saving.

    Example: see :func:`save`.
    """

    model: Recommender
    explainer: Explainer | None
    data: Interactions | None
    versions: dict[str, str]

    def explain(
        self,
        *,
        users: Any = None,
        histories: Sequence[Sequence] | Mapping[Any, Sequence] | None = None,
        items: Any = None,
        n_recommendations: int = 1,
        users_per_batch: int = 256,
    ) -> Explanations:
        """Explain recommendations of the bundle's recommender, like :func:`lxr.explain`.

        Args:
            users: user ids; all users of the bundle's data by default.
            histories: lists of item ids instead of users.
            items: id or ids of the explained items; the best items by default.
            n_recommendations: number of best items to explain to every user, without ``items``.
            users_per_batch: dense histories at a time; bounds the memory.

        Returns:
            The explanations by the bundle's explainer, or by the default explainer if it has none.

        Raises:
            ValueError: a bundle without data, or arguments that :func:`lxr.explain` refuses.
        """
        asked = {"users": users, "histories": histories, "items": items}
        return explain_with(self.by, **asked, n_recommendations=n_recommendations, users_per_batch=users_per_batch)

    @cached_property
    def by(self) -> Delivery:
        """Recommender, data and explainer; the default explainer if the bundle has none.

        Raises:
            ValueError: a bundle without data.
        """
        if self.data is None:
            raise ValueError("data: the bundle has no ids and titles: save it with lxr.save(…, data=data)")
        explainer, name = as_explainer(self.explainer, self.model, self.data)
        return Delivery(self.model, self.data, explainer, name)


def save(
    path: str | Path,
    *,
    model: Recommender,
    explainer: Explainer | None = None,
    data: Interactions | None = None,
    factory: str | None = None,
) -> None:
    """Write a recommender, its explainer and its data to one directory, a bundle; :func:`load` reads it.

    ``manifest.json`` has the SHA-256 of every file. An existing bundle is replaced only after the new one is complete. A
    recommender of :data:`lxr.RECOMMENDERS` is saved with its options and weights. Any other recommender becomes a program
    of ``torch.export``, or ``factory`` makes it. In both cases its logits and gradients are compared with those of
    ``model``.

    A bundle with ``data`` contains the histories of these users. So does an explainer that takes training users
    (``train_matrix``). Give such a bundle only to people who may see these histories.

    Args:
        path: the directory; replaces an existing bundle.
        model: the recommender.
        explainer: an explainer of the model, of a class in :data:`lxr.EXPLAINERS`.
        data: histories, ids and titles.
        factory: ``"package.module:function"``, the import path of a function without arguments that makes the wrapped
            module or function, or the recommender. Loading the bundle calls it; weights come from the bundle.

    Raises:
        ValueError: a recommender that neither way can write, an explainer of another recommender, an explainer that is not
            registered or has a function as an option, or data of another catalogue; nothing is written.
        DataError: ``path`` is a file, or a directory with other content.

    Example:
        >>> import lxr, tempfile
        >>> data = lxr.load_dataset("synthetic")
        >>> model = lxr.MF(data.n_items, n_factors=8)
        >>> explainer = lxr.EXPLAINERS["leave-one-out"](model, data.matrix)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     lxr.save(f"{directory}/bundle", model=model, explainer=explainer, data=data)
        ...     bundle = lxr.load(f"{directory}/bundle")
        >>> bundle.explain(users=[7]).to_frame(reasons=1)[["user", "item", "reason_title"]]
           user  item     reason_title
        0     7    25  Group B, item 3
    """
    with atomic_directory(path, marker=MANIFEST) as directory:
        manifest: dict = {"format": FORMAT, "versions": package_versions(VERSIONS)}
        manifest["model"], again = bundled_model.write_model(model, directory, factory)
        manifest["fingerprints"] = {"recommender": recommender_fingerprint(again)}
        if explainer is not None:
            manifest["explainer"] = bundled_explainer.write_explainer(explainer, model, again, directory)
            read = bundled_explainer.read_explainer(manifest["explainer"], again, directory)
            manifest["fingerprints"]["explainer"] = explainer_fingerprint(read)
        if data is not None:
            check_catalogue(model, data)
            data.save(directory / DATA)
        manifest["files"] = {file.name: sha256(file) for file in sorted(directory.iterdir())}
        write_json(manifest, directory / MANIFEST)


def load(path: str | Path, *, device: torch.device | str = "cpu", trusted: bool = False) -> Recommender | Bundle:
    """Read a recommender of :meth:`lxr.Recommender.save`, or a bundle of :func:`save`.

    Args:
        path: the file of a recommender, or the directory of a bundle.
        device: device of the recommender.
        trusted: whether a bundle may run code that it contains or names: a program of ``torch.export``, a factory. Other
            bundles run no code.

    Returns:
        The recommender of a file, ready for inference; or the bundle of a directory.

    Raises:
        DataError: a file is missing, damaged or something else, or the bundle runs code and is not trusted.

    Warns:
        UserWarning: the bundle was saved with other versions of packages that affect its explanations.

    Example:
        >>> import lxr, tempfile
        >>> model, x = lxr.MF(5, n_factors=2), torch.eye(5)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     model.save(f"{directory}/mf.pt")
        ...     torch.equal(lxr.load(f"{directory}/mf.pt")(x), model(x))
        True
    """
    directory = whole_directory(path)
    if not directory.is_dir():
        return loading.load(path, device=device)
    manifest = read_manifest(directory)
    warn_about_versions(directory, manifest["versions"])
    check_files(directory, manifest["files"])
    model = bundled_model.read_model(manifest["model"], directory, device, trusted)
    explainer, data = None, None
    if "explainer" in manifest:
        explainer = bundled_explainer.read_explainer(manifest["explainer"], model, directory)
    if DATA in manifest["files"]:
        data = Interactions.load(directory / DATA)
        try:
            check_catalogue(model, data)
        except ValueError as error:
            raise DataError(f"{directory}: {error}") from error
    return Bundle(model, explainer, data, manifest["versions"])


def read_manifest(directory: Path) -> dict:
    """Read the manifest of a bundle.

    Raises:
        DataError: it is missing, damaged or of another format.
    """
    path = directory / MANIFEST
    if not path.is_file():
        raise DataError(f"{directory}: expected a bundle that lxr.save wrote, found a directory without {MANIFEST}")
    manifest = read_json(path)
    if manifest is None:
        raise DataError(f"{path} is damaged: expected JSON with the SHA-256 of its content: {REPAIR}")
    if manifest.get("format") != FORMAT:
        found = manifest.get("format")
        raise DataError(
            f"{path}: expected the format {FORMAT}, found {found!r}: load it with the version of lxr that saved it"
        )
    parts = ["versions", "model", "files", *(["explainer"] if "explainer" in manifest else [])]
    for name in parts:
        if not isinstance(manifest.get(name), dict):
            raise DataError(f"{path}: expected an object as {name}, found {manifest.get(name)!r}")
    return manifest


def check_files(directory: Path, files: dict) -> None:
    """Refuse a bundle with a missing or changed file.

    Raises:
        DataError: names the file, the expected and the found SHA-256.
    """
    for name, expected in files.items():
        if name not in FILES:
            raise DataError(f"{directory / MANIFEST}: expected some of {', '.join(FILES)} as files, found {name!r}")
        path = directory / name
        if not path.is_file():
            raise DataError(f"{path} is missing: expected a file with SHA-256 {expected}: copy the whole bundle")
        if (found := sha256(path)) != expected:
            raise DataError(f"{path} is damaged: expected SHA-256 {expected}, found {found}: save the bundle again")


def warn_about_versions(directory: Path, versions: dict) -> None:
    """Warn if a bundle was saved with other versions of packages.

    Warns:
        UserWarning: names both versions.
    """
    here = package_versions(VERSIONS)
    other = [name for name, version in versions.items() if name in here and _public(version) != _public(here[name])]
    if other:
        found = ", ".join(f"{name} {versions[name]} (here {here[name]})" for name in other)
        warnings.warn(f"{directory}: saved with {found}: explanations may differ in the last digits", stacklevel=3)


def _public(version: object) -> str:
    """A version without its build: 2.13.0 for 2.13.0+cpu."""
    return str(version).partition("+")[0]
