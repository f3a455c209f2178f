"""Settings of the documentation site: `make docs` builds it, without network, with warnings as errors."""

import re
import shutil
import sys
from pathlib import Path
from pkgutil import resolve_name

import nbformat
from docutils.nodes import SkipNode
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import lxr  # noqa: E402 - the package of this clone, not an installed one

project, author, version = "LXR", "the authors of this repository", lxr.__version__
release = version
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title, html_show_copyright = f"LXR {version}", False
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
html_math_renderer = "mathml"  # browsers draw formulas themselves; MathJax would come from another server
myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks of a run are already executed
suppress_warnings = ["mystnb.unknown_mime_type", "ref.python"]  # the latter: a word that napoleon mistakes for a type

# Executed notebooks with figures: of the run on MovieLens 100K, else of the tiny run, else as committed.
WIDGET = "application/vnd.jupyter.widget-view+json"
EXECUTED = Path(__file__).parent / "tutorials/executed"
RUNS = [ROOT / "results" / dataset / "notebooks" for dataset in ("ml-100k", "synthetic", "synthetic-sequences")]
shutil.rmtree(EXECUTED, ignore_errors=True)
(EXECUTED / "examples").mkdir(parents=True)
for notebook in (path for pattern in ("*.ipynb", "examples/*.ipynb") for path in (ROOT / "notebooks").glob(pattern)):
    copies = [run / f"{notebook.stem}{of}.ipynb" for run in RUNS for of in ("", "-mf", "-sasrec")]
    executed = nbformat.read(next((copy for copy in copies if copy.is_file()), notebook), as_version=4)
    executed.metadata.pop("widgets", None)  # progress bars, whose scripts would come from another server
    for cell in (cell for cell in executed.cells if cell.cell_type == "code"):
        cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
    text = nbformat.writes(executed).replace("../results/", "../../../results/").replace("../docs/", "../../")
    (EXECUTED / notebook.relative_to(ROOT / "notebooks")).write_text(text, encoding="utf-8")

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings describe types in words, with shapes
napoleon_google_docstring, napoleon_numpy_docstring, napoleon_use_ivar = True, False, True
nitpicky = True
nitpick_ignore_regex = [("py:class", r"(?!lxr\.).*")]  # words that look like types, and other packages' classes


def resolve(app, env, node, content):
    """Resolve a reference to a name by any path: `lxr.LXR` and `lxr.explainers.learned.lxr_network.LXR` are one class.

    A private name leads to its package. A name that does not exist gives a warning, which ends the build.
    """
    target = node["reftarget"].removesuffix("()")
    path = target if target.startswith("lxr.") else f"{node.get('py:module')}.{target}"
    try:
        resolve_name(path)
    except (ImportError, AttributeError, ValueError):
        return None
    domain, parts = env.get_domain("py"), path.split(".")
    public = [f"lxr.{package}.{'.'.join(parts[-length:])}" for length in (1, 2) for package in PACKAGES]
    homes = [f"lxr.{package}" for package in PACKAGES if package in parts or hasattr(getattr(lxr, package), parts[-1])]
    found = next((name for name in [*public, *homes] if name in domain.objects), path)
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", found, node, content)


PACKAGES = [name for name in lxr.__all__ if (ROOT / "lxr" / name).is_dir()]


LATEX = {r"\\[bB]ig(?![a-z])": "", r"frac(\d)(\d)": r"frac{\1}{\2}"}  # what docutils cannot read → the same in other words
MATHML = {  # what docutils writes → what browsers draw as LaTeX does
    "<mi>(log|arg|tanh)</mi>": r'<mo lspace="0.17em" rspace="0.17em">\1</mo>',
    "<mo[^>]*>([|‖{}])</mo>(?! *<mtable)": r'<mo lspace="0" rspace="0" stretchy="false">\1</mo>',
    "<munderover> *(<mi>.</mi>) *(<mi>.</mi>) *(<mo[^>]*>.</mo>) *</munderover>": r"<msub><mover>\1\3</mover>\2</msub>",
    "⧵": r"\\",
}


def replaced(text, replacements):
    """A text after a number of replacements."""
    for found, better in replacements.items():
        text = re.sub(found, better, text)
    return text


def draw_formula(translator, node):
    """Write a formula as MathML."""
    formula = replaced(node.astext(), LATEX)
    try:
        drawn = tex2mathml(formula, as_block=node.tagname == "math_block").replace("\n", "")
        translator.body.append(replaced(drawn, MATHML))
    except MathError as error:
        logging.getLogger(__name__).warning("cannot draw the formula %s: %s", formula, error, location=node)
    raise SkipNode


def setup(app):
    """Register the resolver and the formulas."""
    app.connect("missing-reference", resolve)
    app.add_html_math_renderer("mathml", (draw_formula, None), (draw_formula, None))
