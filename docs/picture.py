"""Make the picture of README.md, an explanation of a film of MovieLens 100K: `python docs/picture.py`."""

import textwrap

import matplotlib.pyplot as plt

import lxr
from lxr.utils.environment import PROJECT_ROOT

USER = 37  # a user with well-known films


def main() -> None:
    """Train MF, explain the top recommendation of a user, and draw it with its sentence below."""
    data = lxr.load_dataset("ml-100k")
    model = lxr.train_recommender("mf", data)
    explanation = lxr.explain(model, data, users=[USER])[0]
    _, ax = plt.subplots(figsize=(7.2, 3.4))
    explanation.plot(count=8, ax=ax)
    sentence = textwrap.fill(explanation.sentence, 90)
    ax.figure.text(0.02, 0.02, sentence, fontsize=10, style="italic", va="bottom")
    ax.figure.tight_layout(rect=(0, 0.1, 1, 1))
    ax.figure.savefig(PROJECT_ROOT / "docs/explanation.png", dpi=150)


if __name__ == "__main__":
    main()
