"""Make the picture of README.md, an explanation of a film of MovieLens 100K: `python docs/picture.py`."""

import lxr
from lxr.utils.environment import PROJECT_ROOT

USER = 37  # a user with well-known films


def main() -> None:
    """Train MF, explain the top recommendation of a user, and draw it."""
    data = lxr.load_dataset("ml-100k")
    model = lxr.train_recommender("mf", data)
    (explanation,) = lxr.explain(model, data, users=[USER])
    explanation.plot(count=8).figure.savefig(PROJECT_ROOT / "docs/explanation.png", dpi=150)


if __name__ == "__main__":
    main()
