"""The ControlStore port in memory."""

import threading

import msgspec

from hemostat.core.ledger.controls import Approval, ApprovalAnswer, Controls, Pause, find_approval


class InMemoryControls:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pauses: dict[str, Pause] = {}
        self._resets: dict[str, float] = {}
        self._approvals: dict[str, Approval] = {}

    def read_controls(self) -> Controls:
        with self._lock:
            return Controls(pauses=dict(self._pauses), resets=dict(self._resets))

    def pause(self, container: str, pause: Pause) -> None:
        with self._lock:
            self._pauses[container] = pause

    def resume(self, container: str) -> bool:
        with self._lock:
            return self._pauses.pop(container, None) is not None

    def reset_breaker(self, container: str, now: float) -> None:
        with self._lock:
            self._resets[container] = now

    def request_approval(self, approval: Approval) -> Approval:
        with self._lock:
            return self._approvals.setdefault(approval.key, approval)

    def answer_approval(
        self, approval_id: str, answer: ApprovalAnswer, *, by: str, reason: str, now: float
    ) -> Approval | None:
        with self._lock:
            approval = find_approval(self._approvals.values(), approval_id, now)
            if approval is None or not approval.is_open(now):
                return approval
            new_approval = msgspec.structs.replace(
                approval, answer=answer, by=by, reason=reason, answered=now
            )
            self._approvals[new_approval.key] = new_approval
            return new_approval

    def withdraw_approval(self, key: str, *, by: str, reason: str, now: float) -> None:
        with self._lock:
            approval = self._approvals.get(key)
            if approval is not None and approval.is_open(now):
                self._approvals[key] = approval.withdraw(by=by, reason=reason, now=now)

    def list_approvals(self) -> list[Approval]:
        with self._lock:
            return sorted(self._approvals.values(), key=lambda approval: approval.asked)
