"""Runs a command as systemd would run a unit, as far as that takes no systemd: without capabilities, with the
unit's system call filter, its refusal of executable memory and its umask.

    python -m tests.support.unit_sandbox UNIT COMMAND ARGUMENT...
"""

import ctypes
import ctypes.util
import errno
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
SYNCHRONOUS = 4
"""SCMP_ATR_CTL_TSYNC; NO_NEW_PRIVS is set by libseccomp itself."""
MASKED_EQUAL = 7
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000
PR_CAPBSET_DROP = 24
MAX_CAPABILITY = 63


class Comparison(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


def settings(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text("utf-8"), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def system_calls(group: str) -> Iterator[str]:
    """Of a group such as @system-service, as this systemd has it."""
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True
    )
    for line in done.stdout.splitlines():
        word = line.strip()
        if word.startswith("@") and word != group:
            yield from system_calls(word)
        elif word[:1].isalnum():
            yield word


def allowed(filters: list[str]) -> set[str]:
    calls: set[str] = set()
    for word in " ".join(filters).split():
        if word.startswith("~"):
            calls -= {*system_calls(word[1:])}
        else:
            calls |= {*system_calls(word)}
    return calls


def confine(unit: dict[str, list[str]]) -> None:
    """This process and all that it starts."""
    calls = allowed(unit["SystemCallFilter"])
    library = ctypes.CDLL(ctypes.util.find_library("seccomp") or "libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(REFUSE))
    executable = {"mmap": (2, PROT_WRITE | PROT_EXEC), "mprotect": (2, PROT_EXEC)}
    executable |= {"pkey_mprotect": (2, PROT_EXEC), "shmat": (2, SHM_EXEC)}
    if unit["MemoryDenyWriteExecute"] != ["yes"]:
        executable = {}
    for name in calls:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue
        if name not in executable:
            library.seccomp_rule_add_array(context, ALLOW, number, 0, None)
            continue
        argument, mask = executable[name]
        for bits in (each for each in (0, PROT_WRITE, PROT_EXEC, SHM_EXEC) if each & mask == each != mask):
            rule = Comparison(argument, MASKED_EQUAL, mask, bits)
            library.seccomp_rule_add_array(context, ALLOW, number, 1, ctypes.byref(rule))
    if library.seccomp_load(context):
        raise OSError("the filter cannot be loaded")


def drop_capabilities() -> None:
    library = ctypes.CDLL(None, use_errno=True)
    for capability in range(MAX_CAPABILITY):
        library.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def main() -> None:
    unit = settings(Path(sys.argv[1]))
    os.umask(int(unit["UMask"][0], 8))
    drop_capabilities()
    confine(unit)
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - a unit's command goes through no shell either


if __name__ == "__main__":
    main()
