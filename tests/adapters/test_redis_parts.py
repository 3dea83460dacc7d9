import pytest
import redis

from hemostat.adapters.redis.parts import read_pages, read_parts

LIMIT = 10


def ask(part):
    """What Redis does with an answer that is too large."""
    if sum(part) > LIMIT:
        raise redis.ConnectionError("Connection closed by server")
    return part


class Stream:
    """Rows of an id and a size."""

    def __init__(self, *sizes):
        self._rows = [(number, size) for number, size in enumerate(sizes, 1)]
        self.asked = []

    def __call__(self, last, count):
        self.asked.append(count)
        page = [row for row in self._rows if row[0] > (last or 0)][:count]
        ask([size for _, size in page])
        return page


def away():
    raise redis.ConnectionError("refused")


def test_response_that_fits_takes_one_request():
    asked = []
    assert read_parts(lambda part: asked.append(part) or part, [1, 2, 3], away) == [1, 2, 3]
    assert asked == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("items", "expected"),
    [([], []), ([11], []), ([6, 6], [6, 6]), ([1, 99, 2, 3, 9, 99, 1], [1, 2, 3, 9, 1])],
)
def test_item_above_the_limit_affects_no_other(items, expected):
    assert read_parts(ask, items, lambda: None) == expected


def test_unreachable_redis_differs_from_a_large_response():
    with pytest.raises(redis.ConnectionError, match="refused"):
        read_parts(ask, [11], away)
    with pytest.raises(redis.ConnectionError, match="refused"):
        read_pages(Stream(11), 9, away, required=False)


def test_rows_that_fit_are_read_in_one_request():
    stream = Stream(1, 1, 1)
    assert len(read_pages(stream, 9, away, required=True)) == 3
    assert stream.asked == [9]


def test_rows_above_the_limit_are_read_in_pages():
    sizes = [9, 1, 1, 1, 9, 9, 9, 1]
    for count in (3, len(sizes), 1000):
        found = read_pages(Stream(*sizes), count, lambda: None, required=True)
        assert [size for _, size in found] == sizes[:count]


def test_row_above_the_limit_ends_the_page():
    found = read_pages(Stream(1, 2, 11, 3), 9, lambda: None, required=True)
    assert [size for _, size in found] == [1, 2]
    assert read_pages(Stream(11, 3), 9, lambda: None, required=False) == []
    with pytest.raises(redis.ConnectionError, match="closed"):
        read_pages(Stream(11, 3), 9, lambda: None, required=True)
