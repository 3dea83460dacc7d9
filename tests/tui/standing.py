"""Where containers stand, made up."""

from typing import NamedTuple

from hemostat.core.breaker import Breaker


class Budget(NamedTuple):
    used: int
    limit: int
    until: float = 0.0


class Standing(NamedTuple):
    breaker: Breaker
    budget: Budget


CLEAR = Standing(Breaker(), Budget(0, 3))


class Host(NamedTuple):
    known: dict[str, Standing]

    def of(self, container: str) -> Standing:
        return self.known.get(container, CLEAR)
