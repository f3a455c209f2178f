"""Escaping of text from outside (titles, names of files and columns): one function for each markup language.

All escaping of this project is in this module. Titles come from files of unknown origin: they are text, never markup.
"""

import html
import re
import unicodedata

NOT_MATHEMATICS = "tex2jax_ignore mathjax_ignore"  # classes of HTML that MathJax 2 and 3 leave alone
LONGEST = 120  # characters of a title within other text
BIDI_CONTROLS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C])
# Markdown gives these a meaning, everywhere or in these places. As entities they have no meaning.
MARKDOWN = re.compile(
    r"[\\`*~<>|#$]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # not within p_holm
    r"|\](?=[(\[:])|!(?=\[)|\[(?=\^)"  # not the brackets of [0.1, 0.2]
    r"|&(?=#?\w+;)"
    r"|:(?=//)|(?<=www)\."  # addresses become links
    r"|^[-+](?=\s|$)|^[-=](?=[-= ]*$)|(?:(?<=^\d)|(?<=^\d\d)|(?<=^\d{3})|(?<=^\d{4}))[.)](?=\s|$)",  # lists, underlines
    re.IGNORECASE,
)
GREEK = (r"\varepsilon", r"\lambda", "o", r"\varsigma", r"\varphi", r"\Lambda")  # with other commands


def _greek_name(letter: str) -> str:
    """Name of a Greek letter, capitalised for a capital letter: ``"tau"``, ``"Omega"``."""
    name = unicodedata.name(letter).split()[-1].lower()
    return name.capitalize() if letter.isupper() else name


LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\char96{}",
    "\u00a0": "~",
    **{character: "\\" + character for character in "{}$&#%_"},
    **{
        character: f"${command}$"
        for character, command in {
            "↓": r"\downarrow",
            "↑": r"\uparrow",
            "←": r"\leftarrow",
            "→": r"\rightarrow",
            "↔": r"\leftrightarrow",
            "⇒": r"\Rightarrow",
            "−": "-",
            "∞": r"\infty",
            "≈": r"\approx",
            "≤": r"\leq",
            "≥": r"\geq",
            "≠": r"\neq",
            "∈": r"\in",
            "∅": r"\emptyset",
            "∘": r"\circ",
            "√": r"\surd",
            "∂": r"\partial",
            "∑": r"\sum",
            "∏": r"\prod",
            "♥": r"\heartsuit",
            "★": r"\star",
        }.items()
    },
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    **{letter: f"${command}$" for letter, command in zip("ελοςφΛ", GREEK, strict=True)},
    **{letter: rf"$\{_greek_name(letter)}$" for letter in "αβγδζηθικμνξπρστυχψωΓΔΘΞΠΣΥΦΨΩ"},
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True)),  # like Latin letters, without commands
}
LATEX_ACCENTS = {"̀": "`", "́": "'", "̂": "^", "̃": "~", "̈": '"', "̊": "r", "̌": "v", "̧": "c", "̄": "=", "̆": "u", "̇": ".", "̋": "H"}
LATEX_KNOWN = "–—‘’“”…·±×÷°§¶†‡©®£¡¿²³¹½¼¾µ¬"  # characters that LaTeX prints as they are


def plain(text: object) -> str:
    """Text on one line: composed (NFC), white space and control characters as single blanks, no marks of direction.

    Example:
        >>> plain("two\\nlines,\\ta bell\\x07")
        'two lines, a bell'
    """
    composed = unicodedata.normalize("NFC", str(text)).translate(BIDI_CONTROLS)
    if composed.isascii() and composed.isprintable():
        return " ".join(composed.split())
    visible = (" " if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") else each for each in composed)
    return " ".join("".join(visible).split())


def is_visible(text: str) -> bool:
    """Whether a text has a character that can be seen.

    Example:
        >>> is_visible("\u200b "), is_visible("?")
        (False, True)
    """
    return any(unicodedata.category(each)[0] not in "CZ" for each in text)


def shortened(text: str, length: int = LONGEST) -> str:
    """The first ``length`` characters of a text, the last of them ``…`` if there are more."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def quoted(title: str) -> str:
    """A title in quotation marks, for a sentence: the title may contain commas and full stops.

    Example:
        >>> quoted("Good, the Bad and the Ugly, The")
        '“Good, the Bad and the Ugly, The”'
    """
    return f"“{shortened(title)}”"


def html_text(text: object) -> str:
    """Text between tags of HTML; Jupyter does not take dollars and backslashes in it for mathematics.

    Example:
        >>> html_text("<b> & co")
        '&lt;b&gt; &amp; co'
        >>> html_text("$5")
        '<span class="tex2jax_ignore mathjax_ignore">$5</span>'
    """
    escaped = html.escape(plain(text))
    return f'<span class="{NOT_MATHEMATICS}">{escaped}</span>' if is_like_mathematics(escaped) else escaped


def is_like_mathematics(text: str) -> bool:
    """Whether MathJax may find formulas in a text."""
    return "$" in text or "\\" in text


def html_attribute(text: object) -> str:
    """Text within the quotes of an attribute of HTML, and within ``<title>``, where no tag can be."""
    return html.escape(plain(text))


def markdown_text(text: object) -> str:
    """Text in Markdown, also in cells of tables, for Jupyter, nbconvert and code hosting sites.

    Markup characters become entities. (A backslash does not escape everywhere: before a dollar, Jupyter reads it as
    markup.)

    Example:
        >>> markdown_text("M*A*S*H | p_holm [0.1, 0.2]")
        'M&#42;A&#42;S&#42;H &#124; p_holm [0.1, 0.2]'
    """
    return MARKDOWN.sub(_markdown_entity, plain(text))


def _markdown_entity(found: re.Match) -> str:
    """One character as an entity; dollars and backslashes are hidden from searches for mathematics."""
    entity = f"&#{ord(found[0])};"
    return f'<span class="{NOT_MATHEMATICS}">{entity}</span>' if found[0] in "$\\" else entity


def latex_text(text: object) -> str:
    """Text in LaTeX, compiled by pdfLaTeX, XeLaTeX and LuaLaTeX without any package.

    Greek letters, arrows and relations become mathematics; accents become commands. XeLaTeX and LuaLaTeX print every other
    character as it is, if their font has it; pdfLaTeX prints its number, ``[U+5343]``.

    Example:
        >>> latex_text("R&D 50 % ↓ Ångström")
        'R\\\\&D 50 \\\\% $\\\\downarrow$ \\\\r{A}ngstr\\\\"{o}m'
        >>> latex_text("千 x")
        '\\\\ifdefined\\\\Umathchar 千\\\\else [U+5343]\\\\fi{} x'
    """
    symbols = "".join(_latex_symbol(character) for character in plain(text))
    return re.sub("-(?=-)", "-{}", symbols)  # two hyphens would be a dash


def _latex_symbol(character: str) -> str:
    """One character in LaTeX."""
    if character in LATEX:
        return LATEX[character]
    if character.isascii() or character in LATEX_KNOWN:
        return character
    letter, *accents = list(unicodedata.normalize("NFD", character))
    if letter.isascii() and len(accents) == 1 and accents[0] in LATEX_ACCENTS:
        return rf"\{LATEX_ACCENTS[accents[0]]}{{{letter}}}"
    return rf"\ifdefined\Umathchar {character}\else [U+{ord(character):04X}]\fi{{}}"
