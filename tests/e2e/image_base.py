"""Builds a base image from this machine's files: Python, busybox, Redis, HAProxy, and their libraries.

For building HemoStat's image where no registry can be reached.
"""

import io
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

LEFT = {"site-packages", "test", "__pycache__", "idlelib", "tkinter", "lib2to3", "turtledemo"}
REDIS_USER = 999
"""The user id that runs Redis in its official image."""
PASSWD = b"root:x:0:0::/root:/bin/sh\n"
LINKED = re.compile(r"(/\S+) \(0x")
THREADS = ("libpthread.so.0", "librt.so.1", "libdl.so.2", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1")
"""Further libraries that wheels are linked with."""


def base_image(name: str) -> None:
    """Import the base image under this name."""
    command = ["docker", "import", "-", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as docker:
        assert docker.stdin is not None
        with tarfile.open(fileobj=docker.stdin, mode="w|") as tar:
            _fill(tar)
        docker.stdin.close()
    assert docker.returncode == 0


def _fill(tar: tarfile.TarFile) -> None:
    root = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    interpreter, library = root / "bin" / version, root / "lib" / version
    for name in ("tmp", "usr/local/bin", "etc"):
        _directory(tar, name, 0o1777 if name == "tmp" else 0o755)
    _directory(tar, "data", 0o755, REDIS_USER)
    tar.add(interpreter.resolve(), f"usr/local/bin/{version}")
    tar.add(library, f"usr/local/lib/{version}", filter=_kept)
    _link(tar, "usr/local/bin/python3", version)
    busybox = shutil.which("busybox")
    assert busybox, "apt install busybox-static"
    tar.add(Path(busybox).resolve(), "bin/busybox")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            _link(tar, f"bin/{applet}", "busybox")
    servers = [Path(_program("redis-server")), Path(_program("haproxy"))]
    for server in servers:
        tar.add(server.resolve(), f"usr/local/bin/{server.name}")
    for path in sorted(set(_libraries([interpreter, *servers, *library.glob("lib-dynload/*.so")]))):
        tar.add(Path(path).resolve(), path.lstrip("/"))
    passwd = tarfile.TarInfo("etc/passwd")
    passwd.size = len(PASSWD)
    tar.addfile(passwd, io.BytesIO(PASSWD))


def _program(name: str) -> str:
    path = shutil.which(name)
    assert path, f"apt install {name}"
    return path


def _libraries(files: list[Path]) -> Iterator[str]:
    done = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False)
    found = LINKED.findall(done.stdout)
    yield from found
    beside = next(Path(path).parent for path in found if "libc.so" in path)
    yield from (str(beside / name) for name in THREADS if (beside / name).exists())


def _kept(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if LEFT & set(Path(member.name).parts) else member


def _directory(tar: tarfile.TarFile, name: str, mode: int, uid: int = 0) -> None:
    made = tarfile.TarInfo(name)
    made.type, made.mode, made.uid = tarfile.DIRTYPE, mode, uid
    tar.addfile(made)


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = tarfile.SYMTYPE, target
    tar.addfile(made)
