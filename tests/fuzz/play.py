"""One target, for a number of examples."""

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings

if TYPE_CHECKING:
    from tests.fuzz.targets import Target


def play(target: "Target", *, examples: int, first: int) -> None:
    """Raises what the target raises, for the smallest input that hypothesis can find."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.target, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @seed(first)
    @given(target.inputs)
    def check(value: Any) -> None:
        target.check(value)

    check()
