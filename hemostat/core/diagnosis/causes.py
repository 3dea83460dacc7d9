"""The causes that diagnoses name. The set is closed, so that causes can be counted, compared and scored."""

from enum import StrEnum


class Cause(StrEnum):
    CRASH = "crash"
    FAILED_JOB = "failed job"
    CRASH_LOOP = "crash loop"
    BAD_CONFIGURATION = "bad configuration"
    MISSING_RESOURCE = "missing resource"
    NO_PERMISSION = "no permission"
    OUT_OF_MEMORY = "out of memory"
    HUNG = "hung"
    CHECK_CANNOT_RUN = "health check cannot run"
    UNREACHABLE = "not reachable from here"
    FLAPPING = "flapping"
    DEPENDENCY_DOWN = "dependency down"
    HOST_OVERLOADED = "host overloaded"
    STORM = "part of a storm"
    HOST_FAULT = "fault of the host or the engine"
    BUSY = "busy"
    SATURATED = "saturated"
    COMPUTATION = "computation"
    RUNAWAY = "runaway"
    CPU_LIMIT = "CPU limit too tight"
    MEMORY_LIMIT = "memory limit too tight"
    STEADY = "large but steady"
    SAW_TOOTH = "saw-tooth"
    WARMING_UP = "warming up"
    GROWING = "growing memory"
    LEAK = "leak"
    LEAK_OF_PROCESSES = "leak of processes"
    LEAK_OF_FILES = "leak of open files"
    DISK_FILLING = "disk filling"
    LOG_NOT_ROTATED = "log not rotated"
    UNKNOWN = "unknown"


CAUSE_MEANINGS: dict[Cause, str] = {
    Cause.CRASH: "it exited by a fault of its own, and may run after a restart",
    Cause.FAILED_JOB: "it is a job that ended in failure, not a service",
    Cause.CRASH_LOOP: "it exits repeatedly, and the evidence does not show why",
    Cause.BAD_CONFIGURATION: "its configuration is invalid: arguments, environment or files",
    Cause.MISSING_RESOURCE: "a resource is missing: a file, a host name, a port or a volume",
    Cause.NO_PERMISSION: "a permission is missing: files, ports or rejected credentials",
    Cause.OUT_OF_MEMORY: "the kernel killed the container or one of its processes at the memory limit",
    Cause.HUNG: "its process runs, but no longer answers",
    Cause.CHECK_CANNOT_RUN: "its health check cannot be started, which says nothing about the service",
    Cause.UNREACHABLE: "no probe has ever reached it: probably a network or firewall, not the container",
    Cause.FLAPPING: "its health changes repeatedly, for an unknown reason",
    Cause.DEPENDENCY_DOWN: "a dependency has failed, and is the root cause",
    Cause.HOST_OVERLOADED: "the host is overloaded, and this container is not the cause",
    Cause.STORM: "one of many containers that failed at once",
    Cause.HOST_FAULT: "the host or the engine has failed",
    Cause.BUSY: "it uses much CPU, and it is unknown whether for useful work",
    Cause.SATURATED: "it uses its CPU limit for requests that arrive",
    Cause.COMPUTATION: "it has used much CPU since it started: a computation",
    Cause.RUNAWAY: "it uses much CPU without useful work: an endless loop",
    Cause.CPU_LIMIT: "its CPU limit throttles its bursts",
    Cause.MEMORY_LIMIT: "it needs more memory than its limit allows, without leaking",
    Cause.STEADY: "it uses much memory, which does not grow: a cache or a pool",
    Cause.SAW_TOOTH: "its memory grows and shrinks, like a garbage-collected heap",
    Cause.WARMING_UP: "its memory grows because its caches fill after a start",
    Cause.GROWING: "its memory grows and will soon be full; observed too briefly to call it a leak",
    Cause.LEAK: "its memory grows without limit",
    Cause.LEAK_OF_PROCESSES: "the number of its processes or threads grows without limit",
    Cause.LEAK_OF_FILES: "the number of its open files or connections grows without limit",
    Cause.DISK_FILLING: "its writes fill the disk",
    Cause.LOG_NOT_ROTATED: "its log grows without limit",
    Cause.UNKNOWN: "the evidence does not show the cause",
}
"""The meaning of each cause, as the model's prompt states it."""
