"""Registries list the names of their entries."""

import re
from types import SimpleNamespace

import pytest

from lxr.utils.registry import Registry

ENTRIES = {name: SimpleNamespace(family=family) for name, family in (("apple", "pome"), ("plum", "stone"), ("pear", "pome"))}
FRUIT = Registry("fruit", ENTRIES)


def test_names_can_be_chosen_by_family():
    assert FRUIT.names() == ["apple", "plum", "pear"]
    assert FRUIT.names("pome") == ["apple", "pear"]
    assert FRUIT.names("stone", "pome") == ["apple", "plum", "pear"]
    assert FRUIT.names(without=("pome",)) == ["plum"]
    assert FRUIT.names("pome", without=("pome",)) == []


def test_some_entries_are_found_by_their_names_alone():
    fruit = Registry("fruit", ENTRIES, by_name={"fig": SimpleNamespace(family="pome")})
    assert fruit["fig"].family == "pome" and fruit.primary("fig") == "fig" and "fig" in fruit
    assert list(fruit) == fruit.names() == ["apple", "plum", "pear"] and len(fruit) == 3
    with pytest.raises(ValueError, match="unknown fruit 'nut': expected one of apple, plum, pear, fig"):
        fruit["nut"]


@pytest.mark.parametrize("arguments", [{"families": ("nut",)}, {"without": ("nut",)}])
def test_an_unknown_family_is_named(arguments):
    expected = "unknown fruit family 'nut': expected one of pome, stone"
    with pytest.raises(ValueError, match=re.escape(expected)):
        FRUIT.names(*arguments.get("families", ()), without=arguments.get("without", ()))
