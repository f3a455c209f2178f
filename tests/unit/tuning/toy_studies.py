"""Studies of a parabola, whose best point is known."""

import time
from dataclasses import dataclass, field

import lxr
from lxr.tuning.records import trial_table

STEPS = 20


@dataclass
class Parabola(lxr.tuning.Tuning):
    """(x − 0.3)², approached step by step from above."""

    space: dict = field(default_factory=lambda: {"x": (0.0, 1.0), "kind": ["a", "b"]})
    start: dict = field(default_factory=lambda: {"x": 0.9, "kind": "b"})
    about: dict = field(default_factory=lambda: {"what": "parabola", "metric": "height", "users": 1, "fixed": {}, "seed": 0})
    lower_is_better: bool = True
    seed: int = 0
    warmup: int = 10
    seconds: float = 0.0
    seen: list = field(default_factory=list)

    def evaluate(self, options, report):
        self.seen.append(options)
        time.sleep(self.seconds)
        value = (options["x"] - 0.3) ** 2
        for step in range(1, STEPS + 1):
            report(step, value + 1 / step)
        return value


def states(study) -> list[str]:
    return trial_table(study)["state"].tolist()
