import msgspec
import pytest

from hemostat.core.history.identity import identify_event, make_event_key, select_new
from tests.support.samples import ALL, complete, decided, event


def test_key_of_an_event_is_its_id():
    assert [*select_new({}, ALL).values()] == list(ALL)
    assert [make_event_key(each) for each in ALL] == [each.id for each in ALL]


@pytest.mark.parametrize("name", ["x" * 5000, "\x00", "a~b", "\u202e" * 300])
def test_unusable_id_has_a_short_printable_key(name):
    key = make_event_key(msgspec.structs.replace(ALL[0], id=name))
    assert key.isprintable()
    assert len(key) <= 200


def test_event_with_a_known_id_neither_replaces_nor_hides_another():
    first, other = event(decided()), msgspec.structs.replace(event(complete()), id=event(decided()).id)
    known = select_new({}, [first, other, first])
    assert known == {first.id: first, identify_event(other): other}
    assert select_new(known, [other, first]) == {}
    assert select_new({first.id: None}, [first]) == {identify_event(first): first}
