"""What a cleanup may delete: run for real on directories of the test's own."""

import subprocess
from pathlib import Path

import pytest

from hemostat.core.cleanup import LABEL, SCRIPT, SYSTEM, command


@pytest.mark.parametrize("path", ["tmp", "../x", "/tmp/../etc", "//etc", "", " ", *SYSTEM, "/etc/", "/./"])
def test_what_could_hurt_the_system_is_never_emptied(path):
    assert command({LABEL: path}) is None


def test_without_the_label_nothing_may_be_deleted():
    assert command({}) is None


def test_only_the_safe_ones_of_several_paths_are_taken():
    told = command({LABEL: "/tmp/cache, /etc ,/var/cache/app"})
    assert told is not None
    assert told[4:] == ["/tmp/cache", "/var/cache/app"]


def run(root: Path | str, *paths: Path | str) -> subprocess.CompletedProcess[str]:
    """The script, taking the device of `root` for the container's own."""
    script = SCRIPT.replace("stat -c %d /)", f"stat -c %d '{root}')")
    return subprocess.run(
        ["sh", "-c", script, "x", *map(str, paths)], check=False, capture_output=True, text=True
    )


def test_the_contents_go_and_the_directory_stays(tmp_path):
    cache = tmp_path / "a cache"
    (cache / "deep" / "er").mkdir(parents=True)
    (cache / "deep" / "er" / "-rf").write_text("x")
    (cache / ".hidden").write_text("x")
    kept = tmp_path / "kept"
    kept.write_text("x")
    link = cache / "link"
    link.symlink_to(kept)
    assert run(tmp_path, cache, tmp_path / "missing").returncode == 0
    assert list(cache.iterdir()) == []
    assert kept.read_text() == "x"


def test_another_device_is_left_alone():
    done = run("/", "/proc")
    assert done.returncode == 1
    assert "/proc is a mount" in done.stderr
