"""What a cleanup may delete; in a container run for real, on directories of the test's own."""

import subprocess
from pathlib import Path

import pytest

from hemostat.core.detection.restart_owner import ORCHESTRATORS
from hemostat.core.labels.definitions import CLEANUP
from hemostat.core.labels.values import SYSTEM_DIRECTORIES
from hemostat.core.model import PrunableItem, PrunableKind
from hemostat.core.remediation.cleanup import (
    CLEANUP_SCRIPT,
    Cleanup,
    build_cleanup_command,
    describe_items,
    select_items_to_delete,
)


@pytest.mark.parametrize(
    "path", ["tmp", "../x", "/tmp/../etc", "//etc", "", " ", *sorted(SYSTEM_DIRECTORIES), "/etc/", "/./"]
)
def test_system_paths_are_never_emptied(path):
    assert build_cleanup_command({CLEANUP.name: path}) is None


def test_nothing_is_deleted_without_the_label():
    assert build_cleanup_command({}) is None


def test_every_labelled_path_is_emptied():
    found = build_cleanup_command({CLEANUP.name: "/tmp/cache, /var/cache/app,"})
    assert found is not None
    assert found[4:] == ["/tmp/cache", "/var/cache/app"]


def test_one_dangerous_path_refuses_all():
    assert build_cleanup_command({CLEANUP.name: "/tmp/cache, /etc ,/var/cache/app"}) is None


def run(root: Path | str, *paths: Path | str) -> subprocess.CompletedProcess[str]:
    """The script, taking the device of `root` for the container's own."""
    script = CLEANUP_SCRIPT.replace("stat -c %d /)", f"stat -c %d '{root}')")
    return subprocess.run(
        ["sh", "-c", script, "x", *map(str, paths)], check=False, capture_output=True, text=True
    )


def test_contents_are_deleted_and_the_directory_is_kept(tmp_path):
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


def test_other_device_is_not_emptied():
    done = run("/", "/proc")
    assert done.returncode == 1
    assert "/proc is a mount" in done.stderr


NOW = 1_000_000.0
HOUR = 3600.0


def leftover(
    what: PrunableKind = PrunableKind.CONTAINER, name: str = "a", hours: float = 48.0, **labels: str
) -> PrunableItem:
    return PrunableItem(what=what, id=name, name=name, size=1 << 20, since=NOW - hours * HOUR, labels=labels)


def planned(*leftovers: PrunableItem, protect: tuple[str, ...] = (), **settings: object) -> list[str]:
    return [each.name for each in select_items_to_delete(leftovers, Cleanup(**settings), protect, NOW)]


def test_long_stopped_containers_are_removed():
    assert planned(leftover(name="a", hours=25), leftover(name="b", hours=23)) == ["a"]
    assert planned(leftover(hours=25), stopped_older_than=26 * HOUR) == []


def test_volumes_are_removed_only_if_configured():
    volume = leftover(PrunableKind.VOLUME, "data")
    assert planned(volume) == []
    assert planned(volume, volumes=True) == ["data"]


def test_images_and_build_cache_are_removed_unless_protected():
    both = leftover(PrunableKind.IMAGE, "i"), leftover(PrunableKind.BUILD_CACHE, "b")
    assert planned(*both) == ["i", "b"]
    assert planned(*both, images=False) == ["b"]
    assert planned(*both, build_cache=False) == ["i"]


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("hemostat.protect", "true"),
        ("hemostat.keep", "yes"),
        *((owner.marker_labels[0], "web") for owner in ORCHESTRATORS),
        ("hemostat.enable", "false"),
        ("autoheal", "false"),
    ],
)
@pytest.mark.parametrize("what", list(PrunableKind))
def test_items_protected_by_a_label_are_kept(what, label, text):
    assert planned(leftover(what, **{label: text}), volumes=True) == []


def test_items_protected_by_name_are_kept():
    assert planned(leftover(name="postgres-1"), leftover(name="web"), protect=("postgres*",)) == ["web"]


def test_containers_are_removed_before_images_and_volumes():
    everything = [leftover(what, what.name) for what in reversed(PrunableKind)]
    assert planned(*everything, volumes=True) == [what.name for what in PrunableKind]


def test_result_is_reported_by_kind():
    items = [(leftover(), 1 << 20), (leftover(name="b"), 0), (leftover(PrunableKind.BUILD_CACHE), 1 << 30)]
    assert describe_items(items) == "2 stopped containers 1.0 MiB, build cache 1.0 GiB"
    assert describe_items([(leftover(PrunableKind.IMAGE), 512)]) == "1 dangling image 512 B"
