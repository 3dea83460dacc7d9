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
    Cause.CRASH: "it died of a fault of its own, and may run well once it is started again",
    Cause.FAILED_JOB: "it is a job that ended in failure, not a service",
    Cause.CRASH_LOOP: "it dies again and again, and the evidence does not say of what",
    Cause.BAD_CONFIGURATION: "it cannot run as it is configured: arguments, environment, files",
    Cause.MISSING_RESOURCE: "something it needs is not there: a file, a host name, a port, a volume",
    Cause.NO_PERMISSION: "it may not do what it must: files, ports, credentials that are refused",
    Cause.OUT_OF_MEMORY: "the kernel killed it, or a process in it, at its memory limit",
    Cause.HUNG: "its process runs, and answers nothing any more",
    Cause.CHECK_CANNOT_RUN: "its health check's command cannot be started: that says nothing of the service",
    Cause.UNREACHABLE: "no probe has ever reached it: network or firewall lie between, not the container",
    Cause.FLAPPING: "its health comes and goes, and nothing says why",
    Cause.DEPENDENCY_DOWN: "what it depends on does not work; the failure begins there",
    Cause.HOST_OVERLOADED: "the host has no more to give, and this container is not who takes it",
    Cause.STORM: "one of many that failed at once",
    Cause.HOST_FAULT: "the host or the engine is at fault",
    Cause.BUSY: "it works a lot, and whether that is good cannot be told",
    Cause.SATURATED: "it works at its limit, on work that arrives",
    Cause.COMPUTATION: "it has used much CPU since it began: a job that computes",
    Cause.RUNAWAY: "it works a lot, and on nothing: a loop",
    Cause.CPU_LIMIT: "its CPU limit holds it back in its bursts",
    Cause.MEMORY_LIMIT: "it needs more memory than its limit allows, without leaking",
    Cause.STEADY: "it uses much memory, and no more as time goes by: a cache, a pool",
    Cause.SAW_TOOTH: "its memory rises and falls back on its own, as a collected heap does",
    Cause.WARMING_UP: "its memory grows as it fills its caches after a start",
    Cause.GROWING: "its memory grows and will be full soon; not known for long enough to call it a leak",
    Cause.LEAK: "its memory grows without end",
    Cause.LEAK_OF_PROCESSES: "its processes or threads grow in number without end",
    Cause.LEAK_OF_FILES: "its open files or connections grow in number without end",
    Cause.DISK_FILLING: "what it writes fills the disk",
    Cause.LOG_NOT_ROTATED: "its log grows without end",
    Cause.UNKNOWN: "the evidence does not say",
}
"""The meaning of each cause, as the model's prompt states it."""
