"""Fonts for titles of any script in figures."""

import unicodedata
import warnings
from collections.abc import Sequence
from functools import cache

from lxr.utils.extras import extra

with extra("plots"):
    from matplotlib import font_manager, get_cachedir
    from matplotlib.font_manager import FontProperties
    from matplotlib.ft2font import FT2Font


# In order of preference: first Chinese, Japanese and Korean, last emoji in one colour.
FALLBACKS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Source Han Sans",
    "IPAexGothic",
    "IPAGothic",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Hiragino Sans",
    "PingFang SC",
    "Apple SD Gothic Neo",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Arial Unicode MS",
    "Noto Sans Hebrew",
    "Noto Sans Arabic",
    "Noto Sans Thai",
    "Noto Sans Devanagari",
    "Nirmala UI",
    "Noto Emoji",
    "Symbola",
    "Segoe UI Emoji",
    "Apple Symbols",
)


def drawable(texts: Sequence[str]) -> tuple[list[str], dict]:
    """Texts that figures can show, and fonts for them.

    Args:
        texts: texts of any script.

    Returns:
        The texts, with characters that no installed font has spelled out; and arguments for matplotlib's texts, empty if
        the default font has all characters.

    Warns:
        UserWarning: once for all texts, if a character is in no font.

    Example:
        >>> drawable(["Amélie (2001)"])
        (['Amélie (2001)'], {})
    """
    usual, characters = FontProperties().get_family(), set("".join(texts))
    if characters <= _characters_of(tuple(usual)):
        return list(texts), {}
    installed = {font.name for font in font_manager.fontManager.ttflist}
    families = (*usual, *(name for name in FALLBACKS if name in installed))
    missing = sorted(characters - _characters_of(families))
    if missing:
        some = ", ".join(missing[:5]) + ", …" * (len(missing) > 5)
        warnings.warn(
            f"no installed font has {len(missing)} characters of the titles ({some}); the figure spells them out. To see "
            "them, install Noto Sans CJK and Symbola, for example (Debian: apt install fonts-noto-cjk fonts-symbola), and "
            f"delete matplotlib's list of fonts in {get_cachedir()}.",
            stacklevel=3,
        )
    spelling = {ord(character): _spelled(character) for character in missing}
    return [text.translate(spelling) for text in texts], {"fontfamily": list(families)}


@cache
def _characters_of(families: tuple[str, ...]) -> frozenset[str]:
    """Characters that at least one of some font families can draw."""
    paths = {font_manager.findfont(FontProperties(family=[family])) for family in families}
    return frozenset(chr(code) for path in paths for code in FT2Font(path).get_charmap())


def _spelled(character: str) -> str:
    """A character by the sound in its Unicode name, its whole name or its number; empty for modifiers of others.

    Example:
        >>> _spelled("と"), _spelled("千"), _spelled("🎬")
        ('to', '[U+5343]', '[clapper board]')
    """
    name = unicodedata.name(character, "")
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return ""
    if " LETTER " in name or " SYLLABLE " in name:
        return name.split()[-1].lower()
    return f"[{name.lower()}]" if name and "IDEOGRAPH" not in name else f"[U+{ord(character):04X}]"
