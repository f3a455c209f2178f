"""Titles are text in every language that they are put into: a catalogue of hostile ones through every exit."""

import re
import shutil
import subprocess
import unicodedata
import warnings
from html.parser import HTMLParser

import matplotlib as mpl
import nbformat
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hostile_titles import HOSTILE
from hypothesis import example, given
from hypothesis import strategies as st
from nbconvert.filters import markdown2html

import lxr
from lxr.app import Explorer, TrainedModels
from lxr.counterfactuals import CounterfactualSet
from lxr.data.interactions import names_of
from lxr.reporting import FORMATS, counterfactual_sentence, explanation_table, to_latex, to_markdown
from lxr.reporting.fonts import _spelled, drawable
from lxr.reporting.html import ReportFigure, export_html
from lxr.utils.markup import html_attribute, html_text, latex_text, markdown_text, plain, quoted

mpl.use("agg")
WORDS = st.text(
    st.one_of(
        st.sampled_from("<>&\"'$\\*_`~|#[]()!-+=.:/{}^% \n1ax"),
        st.characters(exclude_categories=["Cs"], exclude_characters="¶"),
    ),
    max_size=40,
)


class Text(HTMLParser):
    """Text and tags of HTML."""

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.text, self.tags, self.attributes = "", [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def catalogue() -> lxr.Interactions:
    """Users of a catalogue of hostile titles, each in the history of a user."""
    generator, count = np.random.default_rng(0), len(HOSTILE)
    matrix = sp.csr_matrix((generator.random((40, count)) < 0.6).astype(np.float32))
    ids = np.array([f"id{item}" for item in range(count)])
    return lxr.Interactions(matrix, np.array([f"<u{user}>" for user in range(40)]), ids, np.array(HOSTILE))


@pytest.fixture(scope="module")
def explanations(catalogue) -> list[lxr.UserExplanation]:
    """Explanations of several users, signed and unsigned, of first and later recommendations."""
    generator = np.random.default_rng(1)
    model = lxr.MF(len(HOSTILE), n_factors=3)
    for parameter in model.parameters():
        parameter.data.copy_(
            lxr.utils.dense(sp.csr_matrix(generator.normal(size=parameter.shape).reshape(1, -1))).view_as(parameter)
        )
    found = []
    for user in range(8):
        for name in ("leave-one-out", "cosine"):
            explainer = lxr.EXPLAINERS[name](model, catalogue.matrix)
            unseen = np.setdiff1d(np.arange(len(HOSTILE)), catalogue.matrix[user].indices)
            item = catalogue.item_ids[unseen[user % len(unseen)]]
            found.extend(lxr.explain(model, catalogue, rows=user, items=item, explainer=explainer))
    return found


# --- one function per markup


@given(WORDS)
@example("<b>&amp;$x$\\(y\\)")
def test_html_shows_the_text_and_nothing_else(text):
    found = Text(html_text(text))
    assert found.text == plain(text)
    assert set(found.tags) <= {"span"} and set(found.attributes) <= {("class", "tex2jax_ignore mathjax_ignore")}
    assert not re.search(r"[$\\]", html_text(text)) or found.tags == ["span"]  # MathJax leaves it alone
    attribute = Text(f'<p title="{html_attribute(text)}">')
    assert attribute.attributes == [("title", plain(text))] and attribute.tags == ["p"]


@given(WORDS)
@example("ab")  # the heads of the table
@example("1. [a](b) ![c](d) <e> *f* _g_ `h` ~~i~~ | $j$ \\(k\\) https://l www.m &#42;")
def test_markdown_shows_the_text_and_nothing_else(text):
    for before, after in (("", ""), ("### ", "\n"), ("| a | b |\n|---|---|\n| ", " | z |\n")):
        page = markdown2html(f"{before}{markdown_text(text)}{after}")
        found = Text(page)
        assert not {"script", "img", "em", "strong", "code", "del", "ul", "ol", "li", "pre", "blockquote"} & set(found.tags)
        links = [value for name, value in found.attributes if name == "href" and not value.startswith("#")]
        assert not links, (text, page)
        assert found.tags.count("td") in (0, 2)
        shown = " ".join(re.sub(r"^a\s*b|z\s*$" if "|" in before else "¶$", "", found.text.strip()).split())
        assert shown.removesuffix("¶").strip() == plain(text)


def test_what_tables_have_today_stays_readable():
    for text in ("lxr-path-rank", "p_holm, lxr", "0.512 [0.474, 0.551]", "POS@20 ↓", "-0.5", "explaining [s / 1,000 users]"):
        assert markdown_text(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("R&D #1 50 % a_b", r"R\&D \#1 50 \% a\_b"),
        ("Kendall τ ↓", r"Kendall $\tau$ $\downarrow$"),
        ("ΣΑ ε ς", r"$\Sigma$A $\varepsilon$ $\varsigma$"),
        ("Amélie", r"Am\'{e}lie"),
        ("a--b", "a-{}-b"),
        ("\\x", r"\textbackslash{}x"),
        ("千", r"\ifdefined\Umathchar 千\else [U+5343]\fi{}"),
    ],
)
def test_latex_equals_that_by_hand(text, expected):
    assert latex_text(text) == expected


@pytest.fixture(scope="module")
def hostile_table() -> pd.DataFrame:
    """A table with hostile cells, labels, names of columns and of the index."""
    titles = [title[:200] for title in HOSTILE]
    frame = pd.DataFrame({"a|b_$&": titles, "τ ↓ <i>": 0.25}, index=pd.Index(titles, name="name_of & <index> | $"))
    return frame


def test_latex_compiles(hostile_table, tmp_path):
    if not shutil.which("pdflatex"):
        pytest.skip("no pdflatex")
    marks = pd.DataFrame("", hostile_table.index, hostile_table.columns)
    marks.iloc[0], marks.iloc[1] = "best", "tie"
    body = to_latex(hostile_table, 3, marks).replace("{lrr}", "{p{5cm}p{5cm}r}")
    page = rf"\documentclass{{article}}\usepackage{{booktabs,graphicx}}\begin{{document}}{body}\end{{document}}"
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert run.returncode == 0, run.stdout.decode(errors="replace")[-2000:]


def test_tables_are_of_one_piece(hostile_table):
    latex = to_latex(hostile_table, 3).splitlines()
    start = latex.index(r"\toprule")
    rows = [re.sub(r"\\.", "", line) for line in latex[start + 1 : start + 2] + latex[start + 3 : -2]]
    assert {row.count("&") for row in rows} == {2} and not any(re.search(r"(?<!\\)[#%]", row) for row in rows)
    found = Text(markdown2html(to_markdown(hostile_table, 3)))
    assert found.tags.count("tr") == 1 + len(hostile_table) and not {"script", "img", "em", "a"} & set(found.tags)
    assert found.tags.count("td") == 3 * len(hostile_table)
    assert "M*A*S*H and _under_ __score__ ~~gone~~ `code`" in found.text and "a | b || c" in found.text
    back = pd.read_csv(pd.io.common.StringIO(FORMATS["csv"](hostile_table, 3)), index_col=0, keep_default_na=False)
    assert back.index.tolist() == hostile_table.index.tolist()


# --- names of items


def test_names_are_distinct_lines_of_plain_text(catalogue):
    names = catalogue.names.tolist()
    assert len(set(names)) == len(names)
    assert not any(unicodedata.category(each) in ("Cc", "Zl", "Zp") for name in names for each in name)
    assert not any("\u202e" in name or "\u2066" in name for name in names)
    assert {"id25", "id26"} <= set(names)  # instead of titles without a visible character
    assert "two lines and a tab" in names and "Amélie" in " ".join(names)


@pytest.mark.parametrize(
    ("titles", "ids", "expected"),
    [
        (["A", "B", "A"], [1, 2, 3], ["A [1]", "B", "A [3]"]),
        (["A", "A ", "A\n"], [1, 2, 3], ["A [1]", "A [2]", "A [3]"]),  # alike, once they are shown
        (["Café", "Cafe\u0301"], [7, 8], ["Café [7]", "Café [8]"]),
        (["A", "A", "A [1]"], [1, 2, 3], ["A [1] [0]", "A [2]", "A [1] [2]"]),
        (["A", "A"], ["x", "x\u202e"], ["A [x] [0]", "A [x] [1]"]),
    ],
)
def test_the_id_stands_after_repeated_titles(titles, ids, expected):
    assert names_of(titles, ids).tolist() == expected


@given(st.lists(st.sampled_from(["A", "A ", "A [0]", "A [1]", "A [0] [0]", "", "B"]), max_size=8))
def test_names_are_always_distinct(titles):
    names = names_of(titles, range(len(titles))).tolist()
    assert len(set(names)) == len(titles) and all(
        name.startswith(plain(title)) for name, title in zip(names, titles, strict=True)
    )


# --- every exit


def test_explanations_as_text_and_html(explanations):
    for explanation in explanations:
        lines = str(explanation).splitlines()
        assert lines[1].startswith("   1. ") and not re.search("[\x00-\x09\x0b-\x1f\u202e]", str(explanation))
        assert len(lines) <= 15 and max(map(len, lines[1:-1])) < 110
        assert explanation.to_frame()["title"].is_unique
        page = Text(explanation._repr_html_())
        assert set(page.tags) <= {"p", "table", "tr", "td", "div", "span"}
        assert {name for name, _ in page.attributes} <= {"style", "class"}
        for part in re.split(r'<span class="tex2jax_ignore mathjax_ignore">.*?</span>', explanation._repr_html_()):
            assert "$" not in part and "\\" not in part
        assert explanation.sentence in page.text and quoted(explanation.title) in page.text


def test_figures_warn_at_most_once_and_of_no_glyph(explanations, tmp_path):
    for explanation in explanations[:2]:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            figure_of = explanation.plot().figure
            for kind in ("png", "pdf"):
                figure_of.savefig(tmp_path / f"figure.{kind}")
        messages = {str(each.message) for each in said}
        assert len(messages) <= 1 and all("no installed font has" in message for message in messages)
        mpl.pyplot.close(figure_of)


def test_titles_of_latin_scripts_are_drawn_as_ever():
    assert drawable(["Amélie (2001)", "$5 Ω"]) == (["Amélie (2001)", "$5 Ω"], {})


def test_what_no_font_has_is_spelled(monkeypatch):
    monkeypatch.setattr("lxr.reporting.fonts.FALLBACKS", ())
    with pytest.warns(UserWarning, match="no installed font has 3 characters of the titles") as said:
        (title, other), options = drawable(["千と🎬", "plain"])
    assert (title, other) == ("[U+5343]to[clapper board]", "plain") and len(said) == 1
    assert options["fontfamily"] == mpl.rcParams["font.family"]
    assert _spelled("\u200d") == ""


def test_the_report_runs_nothing_and_asks_for_nothing(catalogue, tmp_path):
    items = np.arange(len(HOSTILE))
    sentence = counterfactual_sentence(catalogue, 0, CounterfactualSet(items[1:-1], len(items) - 1, 1, len(items), 0.0))
    frame = pd.DataFrame({"title": catalogue.names})
    cells = [nbformat.v4.new_code_cell("", execution_count=1) for _ in range(4)]
    display = nbformat.v4.new_output
    cells[0].outputs = [display("display_data", data={"text/html": frame.to_html(), "text/plain": "x"})]
    cells[1].outputs = [display("display_data", data={"text/markdown": markdown_text(sentence), "text/plain": "x"})]
    cells[2].outputs = [display("display_data", data={"text/markdown": to_markdown(frame, 3), "text/plain": "x"})]
    cells[3].outputs = [display("stream", name="stdout", text="\n".join(catalogue.names))]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebook.ipynb")
    for title in (*HOSTILE[:3], "R&D $5"):
        export_html(tmp_path / "notebook.ipynb", tmp_path / "report.html", f"LXR on {title}")
        text = (tmp_path / "report.html").read_text(encoding="utf-8")
        page = Text(text)
        assert not {"script", "img", "iframe", "object", "link", "i", "b"} & set(page.tags)
        assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "href")]
        assert text.count("<title>") == text.count("</title>") == 1
        assert "default-src 'none'; img-src data:;" in text


def test_sections_with_nothing_to_show_are_left_out(tmp_path):
    (tmp_path / "figures").mkdir()
    path = tmp_path / "figures/gain_mf.png"
    mpl.figure.Figure(figsize=(1, 1)).savefig(path)
    data = {"text/html": ReportFigure(path)._repr_html_(), "text/plain": repr(ReportFigure(path))}
    cells = []
    for heading, outputs in {
        "Printed": [nbformat.v4.new_output("stream", name="stdout", text="ablations: 0")],
        "Drawn": [nbformat.v4.new_output("display_data", data=data)],
    }.items():
        cells += [nbformat.v4.new_markdown_cell(f"## {heading}\n\nText."), nbformat.v4.new_code_cell("", outputs=outputs)]
    nbformat.write(nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_markdown_cell("## Words")]), tmp_path / "n.ipynb")
    export_html(tmp_path / "n.ipynb", tmp_path / "report.html", "LXR")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Drawn" in page and "Words" in page and "Printed" not in page and "ablations" not in page
    assert re.findall(r'alt="([^"]*)"', page) == ["Fidelity gain from a random order (0) to a greedy search (1): mf"]


def test_titles_are_text_in_widgets(catalogue, tmp_path):
    root = tmp_path / "toy"
    catalogue.save(root / "interactions.npz")
    lxr.data.save_split(*lxr.split_users(40, seed=42), root / "split.npz")
    model = lxr.MF(len(HOSTILE), n_factors=4)
    model.save(root / "mf/recommender.pt")
    explorer = Explorer(TrainedModels(tmp_path, "toy", "mf"), ("leave-one-out", "cosine"))
    for asker in (*explorer.panels, explorer.counterfactual):
        asker.pending.result(timeout=60)
    with explorer.lock:
        explorer.pool.submit(int).result(timeout=60)
    assert len(explorer.search.view.options) == len(HOSTILE)
    markup = [
        explorer.outcome,
        explorer.counterfactual.view,
        explorer.who,
        explorer.falls,
        explorer.text,
        *(part for panel in explorer.panels for part in (panel.note, panel.bars)),
    ]
    checks = [check for panel in explorer.panels for check in panel.checks]
    for value in [
        *(each.value for each in markup),
        *(check.description for check in checks if check.description_allow_html),
    ]:
        assert set(Text(value).tags) <= {
            "h4",
            "div",
            "span",
            "br",
            "p",
            "a",
            "button",
            "pre",
            "svg",
            "g",
            "path",
            "text",
            "circle",
        }
    assert not any(re.search(r"[$\\]", check.description) for check in checks if not check.description_allow_html)
    explorer.search.view.value = "<script>alert"
    assert "&lt;script&gt;" in explorer.said.value


def test_tables_of_titles_stay_apart(catalogue):
    scores = {"one": sp.csr_matrix(catalogue.matrix[:1])}
    page = Text(explanation_table(scores, 0, catalogue).to_html())
    assert set(page.tags) <= {"table", "thead", "tbody", "tr", "th", "td"}
