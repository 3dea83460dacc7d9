"""Every event is kept once; people hear of what was done, at least once."""

from collections.abc import Sequence

import pytest

from hemostat.adapters.memory_bus import MemoryStore
from hemostat.agents.alert import TRIES, Alert
from hemostat.errors import BusUnreachableError, NotifyError
from hemostat.events import Event, Outcome, Word
from tests.clock import FakeClock
from tests.samples import ALL, NOW, complete, decided, event


class Phone:
    """A channel that fails as often as it is told to."""

    name = "phone"

    def __init__(self, *failures: NotifyError) -> None:
        self.failures = list(failures)
        self.heard: list[str] = []
        self.tries = 0

    def notify(self, told: Event) -> None:
        self.tries += 1
        if self.failures:
            raise self.failures.pop(0)
        self.heard.append(told.id)


PASSING = NotifyError("busy", transient=True)
LASTING = NotifyError("no such channel", transient=False)
DONE = event(complete())


def told(role: Alert, *events: Event) -> None:
    """As the runner does it: one after the other, and kept together."""
    for each in events:
        role.step(each, NOW)
    role.keep(events)


def alert(store=None, *phones: Phone) -> Alert:
    return Alert(store or MemoryStore(), phones, FakeClock())


def test_every_event_is_kept_and_people_hear_of_remediations_and_of_pauses():
    store, phone = MemoryStore(), Phone()
    role = alert(store, phone)
    told(role, *ALL)
    assert all(store.kept(each.id) for each in ALL)
    assert phone.heard == [each.id for each in ALL if each.type in {"remediation_complete", "decision"}]


def test_an_answer_to_a_request_is_kept_and_told_with_what_comes_of_it():
    store, phone = MemoryStore(), Phone()
    role, answer = alert(store, phone), event(decided(what=Word.APPROVED), incident="i1")
    told(role, answer)
    assert (store.kept(answer.id), phone.heard) == (True, [])


def test_an_event_that_comes_again_is_told_once():
    phone = Phone()
    role = alert(MemoryStore(), phone)
    told(role, DONE)
    told(role, DONE)
    assert phone.heard == [DONE.id]


def test_nobody_is_woken_for_what_did_not_apply():
    phone = Phone()
    told(alert(None, phone), event(complete(outcome=Outcome.NOT_APPLICABLE)))
    assert phone.heard == []


def test_a_channel_that_is_busy_is_tried_again():
    phone = Phone(PASSING, PASSING)
    told(alert(None, phone), DONE)
    assert phone.heard == [DONE.id]


@pytest.mark.parametrize(("failures", "tries"), [([PASSING] * 9, TRIES), ([LASTING] * 9, 1)])
def test_a_dead_channel_keeps_neither_the_others_nor_the_store_waiting(failures, tries):
    store, dead, living = MemoryStore(), Phone(*failures), Phone()
    told(alert(store, dead, living), DONE)
    assert (dead.tries, living.heard) == (tries, [DONE.id])
    assert store.kept(DONE.id)


class Forgetful(MemoryStore):
    """Fails the first time."""

    failed = False

    def append(self, events: Sequence[Event]) -> list[Event]:
        if not self.failed:
            self.failed = True
            raise BusUnreachableError("Redis is gone")
        return super().append(events)


def test_people_are_told_twice_rather_than_never():
    store, phone = Forgetful(), Phone()
    role = alert(store, phone)
    with pytest.raises(BusUnreachableError):
        told(role, DONE)
    told(role, DONE)
    assert phone.heard == [DONE.id, DONE.id]
    assert store.kept(DONE.id)
