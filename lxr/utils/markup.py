"""Text of any origin (titles, names of files and columns) in every language that it is put into: one function each.

Nothing else in this project escapes. Titles come from files that anybody may have written: they are text, never markup.
"""

import html
import re
import unicodedata

NOT_MATHEMATICS = "tex2jax_ignore mathjax_ignore"  # classes of HTML that MathJax 2 and 3 leave alone
LONGEST = 120  # characters of a title where it is read among other text
BIDI_CONTROLS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C])
# Markdown gives a meaning to these, wherever they are or in these places alone. As entities they have none anywhere.
MARKDOWN = re.compile(
    r"[\\`*~<>|#$]"
    r"|(?<![^\W_])_|_(?![^\W_])"  # not within p_holm
    r"|\](?=[(\[:])|!(?=\[)|\[(?=\^)"  # not those of [0.1, 0.2]
    r"|&(?=#?\w+;)"
    r"|:(?=//)|(?<=www)\."  # addresses become links
    r"|^[-+](?=\s|$)|^[-=](?=[-= ]*$)|(?:(?<=^\d)|(?<=^\d\d)|(?<=^\d{3})|(?<=^\d{4}))[.)](?=\s|$)",  # lists, underlines
    re.IGNORECASE,
)
GREEK = (r"\varepsilon", r"\lambda", "o", r"\varsigma", r"\varphi", r"\Lambda")  # whose commands are not their names


def _greek_name(letter: str) -> str:
    """Name of a Greek letter, capitalised if the letter is one: ``"tau"``, ``"Omega"``."""
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
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True)),  # these look the same, and have no command
}
LATEX_ACCENTS = {"̀": "`", "́": "'", "̂": "^", "̃": "~", "̈": '"', "̊": "r", "̌": "v", "̧": "c", "̄": "=", "̆": "u", "̇": ".", "̋": "H"}
LATEX_KNOWN = "–—‘’“”…·±×÷°§¶†‡©®£¡¿²³¹½¼¾µ¬"  # what LaTeX reads as they are


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
    """A title in a sentence, where it may hold commas and full stops of its own.

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
    """Text in Markdown, in a cell of a table too, for Jupyter, nbconvert and code hosting sites alike.

    What would be markup becomes an entity, which is markup in none of them (a backslash is, before a dollar, in Jupyter).

    Example:
        >>> markdown_text("M*A*S*H | p_holm [0.1, 0.2]")
        'M&#42;A&#42;S&#42;H &#124; p_holm [0.1, 0.2]'
    """
    return MARKDOWN.sub(_markdown_entity, plain(text))


def _markdown_entity(found: re.Match) -> str:
    """One character as an entity; a dollar or backslash where no search for mathematics looks."""
    entity = f"&#{ord(found[0])};"
    return f'<span class="{NOT_MATHEMATICS}">{entity}</span>' if found[0] in "$\\" else entity


def latex_text(text: object) -> str:
    """Text in LaTeX, compiled by pdfLaTeX, XeLaTeX and LuaLaTeX without any package.

    Greek letters, arrows and relations become mathematics; accents become commands. Every other character outside ASCII
    is printed as it is by XeLaTeX and LuaLaTeX, if their font has it, and by its number, ``[U+5343]``, by pdfLaTeX.

    Example:
        >>> latex_text("R&D 50 % ↓ Ångström")
        'R\\\\&D 50 \\\\% $\\\\downarrow$ \\\\r{A}ngstr\\\\"{o}m'
        >>> latex_text("千 x")
        '\\\\ifdefined\\\\Umathchar 千\\\\else [U+5343]\\\\fi{} x'
    """
    symbols = "".join(_latex_symbol(character) for character in plain(text))
    return re.sub("-(?=-)", "-{}", symbols)  # two would be a dash


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
