"""Records counts of measures."""

from collections import Counter

from hemostat.core.metrics.definitions import Measure


class Counted(Counter[tuple[str, ...]]):
    """By the values of the labels, of a test that counts one measure."""

    def __call__(self, measure: Measure, *labels: str, by: int = 1) -> None:
        assert len(labels) == len(measure.labels)
        self[labels] += by
