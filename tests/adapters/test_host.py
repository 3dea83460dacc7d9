"""The host's counters, in a tree of our own and on this machine."""

import os
import shutil
import threading
from pathlib import Path

import pytest

from hemostat.adapters.sampling import host
from hemostat.adapters.sampling.host import HostPaths, HostSampler, find_missing_path, sees_files
from hemostat.core.model import ContainerInfo, HostSample
from tests.support.engine_fixtures import eventually
from tests.support.samples import WEB


def stat(root: Path, line: str) -> None:
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/stat").write_text(f"{line}\ncpu0 1 1 1 1 1 1 1 1 0 0\nintr 5\n")


def busy(root: Path, before: str, after: str) -> float | None:
    stat(root, before)
    sampler = HostSampler("/var/lib/docker", root)
    stat(root, after)
    return sampler.sample(1.0).cpu


@pytest.mark.parametrize(
    ("after", "share"),
    [
        ("cpu 50 0 0 50 0 0 0 0 0 0", 0.5),
        ("cpu 10 5 5 40 40 0 0 0 0 0", 0.2),
        ("cpu 0 0 0 0 0 25 25 25 0 0", 1.0),
        ("cpu 50 0 0 50 0 0 0 0 50 0", 0.5),
        ("cpu 100 0 0 0 -1 0 0 0 0 0", 1.0),
        ("cpu 0 0 0 0 0 0 0 0 0 0", None),
        ("cpu x", None),
        ("btime 1 2 3 4 5", None),
        ("", None),
    ],
)
def test_busy_share_excludes_idle_and_iowait(tmp_path: Path, after: str, share: float | None) -> None:
    assert busy(tmp_path, "cpu 0 0 0 0 0 0 0 0 0 0", after) == share


def test_share_covers_the_time_since_the_previous_call(tmp_path: Path) -> None:
    stat(tmp_path, "cpu 100 0 0 100 0 0 0 0 0 0")
    sampler = HostSampler("/var/lib/docker", tmp_path)
    stat(tmp_path, "cpu 110 0 0 190 0 0 0 0 0 0")
    assert sampler.sample(1.0).cpu == pytest.approx(0.1)
    stat(tmp_path, "cpu 190 0 0 210 0 0 0 0 0 0")
    assert sampler.sample(2.0).cpu == pytest.approx(0.8)
    assert sampler.sample(3.0).cpu is None


def test_reset_counters_give_no_share(tmp_path: Path) -> None:
    assert busy(tmp_path, "cpu 900 0 0 900 0 0 0 0", "cpu 1 0 0 1 0 0 0 0") is None


def test_machine_without_proc_has_no_values(tmp_path: Path) -> None:
    assert HostSampler("/var/lib/docker", tmp_path).sample(4.0) == HostSample(time=4.0)


def test_disk_is_the_one_of_the_engines_directory(tmp_path: Path) -> None:
    (tmp_path / "var/lib/docker").mkdir(parents=True)
    sample = HostSampler("/var/lib/docker", tmp_path).sample(1.0)
    usage = shutil.disk_usage(tmp_path)
    assert sample.disk_size == usage.total
    assert sample.disk_used == pytest.approx(usage.used, abs=64 << 20)


def test_reserved_blocks_count_as_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = os.statvfs_result((4096, 4096, 1000, 300, 250, 10, 10, 10, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _path: disk)
    sample = HostSampler("/var/lib/docker", tmp_path).sample(1.0)
    assert (sample.disk_size, sample.disk_used) == (1000 * 4096, 700 * 4096)


def mounted(source: Path, target: str = "", pid: int = 0) -> ContainerInfo:
    return ContainerInfo(ref=WEB, status="running", pid=pid, host_paths=((str(source), target),))


def test_missing_path_of_a_mount_is_reported(tmp_path: Path) -> None:
    source = tmp_path / "data"
    assert (
        find_missing_path(mounted(source)) == f"{source}, which its start needs, does not exist on the host"
    )
    source.mkdir()
    assert find_missing_path(mounted(source)) == ""
    assert "does not exist" in find_missing_path(mounted(source / "a" / "b"))


def test_file_replaced_by_a_directory_is_reported(tmp_path: Path) -> None:
    """This very process stands for the container: its root has both kinds."""
    source, file, directory = tmp_path / "source", tmp_path / "file", tmp_path / "directory"
    source.mkdir()
    file.touch()
    directory.mkdir()
    assert find_missing_path(mounted(source, str(directory), os.getpid())) == ""
    said = find_missing_path(mounted(source, str(file), os.getpid()))
    assert said == f"{source} is now a directory, but was mounted as a file"
    assert find_missing_path(mounted(source, "/nowhere", os.getpid())) == ""


def test_host_filesystem_is_recognised_by_the_kernel() -> None:
    assert sees_files(os.getpid())
    assert not sees_files(0)
    assert not sees_files(2**22 + 1)


def test_hanging_path_is_unknown_after_one_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one does whose file server is gone."""
    paths, asked, answer = HostPaths(os.getpid()), list[ContainerInfo](), threading.Event()
    gone = mounted(tmp_path / "gone")
    assert "does not exist" in paths.missing(gone)

    def hang(info: ContainerInfo) -> str:
        asked.append(info)
        answer.wait()
        return "late"

    monkeypatch.setattr(host, "find_missing_path", hang)
    monkeypatch.setattr(host, "LOOK_SECONDS", 0.05)
    assert [paths.missing(gone) for _ in range(3)] == ["", "", ""]
    assert len(asked) == 1
    answer.set()
    monkeypatch.undo()
    eventually(lambda: "does not exist" in paths.missing(gone))
