"""The tables `responder.windows`: what a configuration may say."""

import json

import pytest

from hemostat import config
from hemostat.core.settings.windows import Window, list_open_days
from hemostat.errors import ConfigError

BACKUP = {
    "mode": "off",
    "name": "backup",
    "days": ["mon-fri"],
    "times": ["02:00-04:30"],
    "projects": ["shop"],
}
WINDOW = Window(mode="off", name="backup", days=("mon-fri",), times=("02:00-04:30",), projects=("shop",))


def test_windows_are_read_from_the_file_and_from_the_environment(tmp_path):
    path = tmp_path / "hemostat.toml"
    path.write_text(
        "[[responder.windows]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in BACKUP.items())
    )
    assert config.load(path, environ={}).settings.responder.windows == (WINDOW,)
    environ = {"HEMOSTAT_RESPONDER_WINDOWS": json.dumps([BACKUP])}
    assert config.load(environ=environ, search=[]).settings.responder.windows == (WINDOW,)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"times": ["2:00-4:30"]}, "responder.windows[0].times: '2:00-4:30' is not a time such as"),
        ({"times": ["02:00-25:00"]}, "is not a time"),
        ({"times": ["04:30-04:30"]}, "times: '04:30-04:30' begins when it ends"),
        ({"times": []}, "times"),
        ({"projects": ["shop", ""]}, "projects: an empty name"),
        ({"days": ["monday"]}, "days: 'monday' is not a day or a range such as sun or mon-fri"),
        ({"mode": "auto"}, "mode"),
        ({"time_zone": "Europe/Atlantis"}, "'Europe/Atlantis' is not a time zone"),
        ({"time_zone": "../../etc/passwd"}, "is not a time zone"),
        ({"name": "a\x1b[31m"}, "name"),
        ({"day": ["mon"]}, "day"),
    ],
)
def test_mistake_is_refused_with_its_place(fields, text):
    environ = {"HEMOSTAT_RESPONDER_WINDOWS": json.dumps([BACKUP | fields])}
    with pytest.raises(ConfigError) as refused:
        config.load(environ=environ, search=[])
    assert "HEMOSTAT_RESPONDER_WINDOWS" in str(refused.value)
    assert text in str(refused.value)


def test_too_many_windows_are_refused():
    with pytest.raises(ConfigError, match="51 windows are more than 50"):
        config.load(environ={"HEMOSTAT_RESPONDER_WINDOWS": json.dumps([BACKUP] * 51)}, search=[])


def test_range_of_days_may_cross_sunday():
    assert list_open_days(Window(mode="off", days=("sat-mon", "wed"))) == {5, 6, 0, 2}
