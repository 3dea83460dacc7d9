"""What outputs add to structs: times as ISO 8601, and clearer names."""

from typing import Annotated

import msgspec
import pytest

from hemostat.core.evidence.snapshot import MetricPoint
from hemostat.events import Epoch, decode, encode
from hemostat.events.fields import renamed_to
from hemostat.json_output import build_output, encode_output, format_iso, list_output_fields
from tests.support.samples import ALL, NOW


class Part(msgspec.Struct):
    at: Epoch
    until: Epoch | None = None


class Whole(msgspec.Struct):
    parts: tuple[Part, ...] = ()
    named: dict[str, Part] = {}
    began: Annotated[Epoch, renamed_to("since")] = 0.0
    age: Annotated[float, renamed_to("age_seconds")] = 0.0
    samples: Annotated[tuple[MetricPoint, ...], renamed_to("points")] = ()
    times: tuple[Epoch, ...] = ()


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (NOW, "2026-11-24T00:26:40.000Z"),
        (NOW + 0.1234, "2026-11-24T00:26:40.123Z"),
        (0.0, None),
        (-1.0, None),
        (1e18, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_time_is_iso_8601_in_utc_or_null(moment, text):
    assert format_iso(moment) == text


def test_times_are_beside_the_epoch_in_nested_structs():
    shown = build_output(Whole(parts=(Part(NOW),), named={"a": Part(NOW, NOW + 1)}))
    assert shown["parts"] == [
        {"at": NOW, "at_iso": "2026-11-24T00:26:40.000Z", "until": None, "until_iso": None}
    ]
    assert shown["named"]["a"]["until_iso"] == "2026-11-24T00:26:41.000Z"


def test_renamed_fields_are_shown_under_both_names():
    shown = build_output(Whole(began=NOW, age=2.5))
    assert (shown["age"], shown["age_seconds"]) == (2.5, 2.5)
    assert (shown["began"], shown["since_iso"]) == (NOW, "2026-11-24T00:26:40.000Z")
    assert not {"since", "began_iso"} & set(shown)


def test_arrays_are_objects_under_the_clearer_name():
    shown = build_output(Whole(samples=(MetricPoint(NOW, 12.5, None),)))
    assert shown["samples"] == [[NOW, 12.5, None, None, None]]
    (point,) = shown["points"]
    assert (point["time"], point["cpu"]) == (NOW, 12.5)
    assert point["time_iso"] == "2026-11-24T00:26:40.000Z"


def test_list_of_times_is_no_time():
    assert not list_output_fields(Whole)["times"].is_time


def test_numbers_that_json_lacks_are_null():
    assert build_output(Part(float("nan"))) == {"at": None, "at_iso": None, "until": None, "until_iso": None}


@pytest.mark.parametrize("event", ALL, ids=lambda each: each.type)
def test_printed_event_is_read_as_the_same_event(event):
    assert decode(encode_output(build_output(event)).encode()) == event


def test_fields_of_a_newer_version_are_kept():
    fields = {**msgspec.json.decode(encode(ALL[0])), "later": [1]}
    assert build_output(ALL[0], fields)["later"] == [1]


def test_output_is_encodable_and_has_no_control_characters():
    assert encode_output({"a": "x\udc80\x1b\u202eü"}) == '{"a":"x\\udc80\\u001b\\u202eü"}'
