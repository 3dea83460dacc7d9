"""Samples containers through one stream of stats each, and through single requests above a limit of streams.

A stream costs less than a request a second. Docker 20.10 answers both at its collector's next tick, up to a
second later. So only the first answer is waited for: a round returns the answers that have arrived, each with
the engine's time. The same answer may be returned in two rounds.
"""

import logging
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Final

from hemostat.adapters.sampling.docker_stats import answer
from hemostat.adapters.sampling.docker_stats.answer import Answer
from hemostat.core.backoff import compute_backoff
from hemostat.core.model import ContainerInfo, Sample
from hemostat.core.usage.process_activity import Activity
from hemostat.errors import EngineError

MAX_STREAMS: Final = 64
MAX_THREADS: Final = 32
"""Threads for single requests, which mostly wait. Each stream has a thread of its own."""
FIRST_ANSWER_SECONDS: Final = 2.0
"""Seconds to wait for first answers."""
FRESH_SECONDS: Final = 7.0
"""Seconds for which an answer is current. In a stream, Docker answers every second, and Podman every 5 s."""
IDLE_SECONDS: Final = 10.0
"""Seconds after which an unrequested stream is closed."""
HANG_SECONDS: Final = 5.0
"""Seconds after which a request or stream without an answer counts as hung. Then nothing is requested for the
container for a while: many that hang must leave threads to the others."""
FIRST_PAUSE_SECONDS: Final = 2.0
MAX_PAUSE_SECONDS: Final = 20.0

Cut = Callable[[], None]
Follow = Callable[[str], tuple[Generator[Answer, None, None], Cut]]

logger = logging.getLogger(__name__)


class StatsFeed:
    """The last answer about one container, and the state of its stream or request."""

    def __init__(self) -> None:
        self.stats: Answer | None = None
        self.arrived_at = 0.0
        self.asked_at = 0.0
        self.awaited_start = -1.0
        """The start time of the container whose first answer was waited for."""
        self.is_busy = False
        self.has_answered = True
        """Whether the last attempt brought an answer. A hanging container is not waited for again."""
        self.began = 0.0
        self.hangs = 0
        """How many attempts in a row have hung."""
        self.paused_until = 0.0
        self.cut: Cut = lambda: None


class StatsSampler:
    """The sampler of the stats API. Safe to use from several threads.

    `read` returns one answer about a container. `follow` returns an endless stream of answers and a function
    that ends the stream from another thread. Both are called in threads.
    """

    def __init__(
        self,
        read: Callable[[str], Answer],
        follow: Follow | None = None,
        *,
        streams: int = MAX_STREAMS,
        threads: int = MAX_THREADS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._follow = follow
        self._free_streams = streams
        self._clock = clock
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="stats")
        self._streams: set[threading.Thread] = set()
        self._feeds: dict[str, StatsFeed] = {}
        self._changed = threading.Condition()
        self._closed = False

    def sample(self, containers: Sequence[ContainerInfo], now: float) -> list[Sample]:
        running = [info for info in containers if info.is_running]
        with self._changed:
            first = [info for info in running if self._ask(info)]
            self._changed.wait_for(
                lambda: all(self._is_settled(info) for info in first), FIRST_ANSWER_SECONDS
            )
            samples = [self._find_newest(info, now) for info in running]
            self._forget()
        return [sample for sample in samples if sample is not None]

    def read_activity(self, container: ContainerInfo, now: float) -> Activity | None:
        if not self.sample([container], now):
            return None
        with self._changed:
            feed = self._feeds.get(container.ref.id)
            stats = None if feed is None else feed.stats
        try:
            return None if stats is None else answer.parse_activity(container, stats, now)
        except answer.MALFORMED_ERRORS as error:
            logger.debug("stats.rejected container=%s error=%r", container.ref.name, error)
            return None

    def close(self) -> None:
        with self._changed:
            self._closed = True
            streams = list(self._streams)
            for feed in self._feeds.values():
                feed.cut()
        self._pool.shutdown(cancel_futures=True)
        for stream in streams:
            stream.join()

    # --- with the lock held -------------------------------------------------------------------------

    def _ask(self, container: ContainerInfo) -> bool:
        """Request an answer. Returns whether to wait for it: no current answer has arrived yet."""
        feed = self._feeds.setdefault(container.ref.id, StatsFeed())
        new = feed.awaited_start != container.started_at or (feed.has_answered and not feed.is_busy)
        if feed.awaited_start != container.started_at:
            feed.hangs, feed.paused_until = 0, 0.0
        feed.asked_at, feed.awaited_start = self._clock(), container.started_at
        if not feed.is_busy and not self._closed and feed.asked_at >= feed.paused_until:
            self._begin_request(container.ref.id, feed)
        return new

    def _begin_request(self, container: str, feed: StatsFeed) -> None:
        feed.is_busy, feed.has_answered, feed.began = True, False, self._clock()
        if self._follow is None or not self._free_streams:
            self._pool.submit(self._ask_once, container, feed)
            return
        self._free_streams -= 1
        work = (self._follow, container, feed)
        stream = threading.Thread(target=self._run_stream, args=work, name="stats", daemon=True)
        self._streams.add(stream)
        stream.start()

    def _is_settled(self, container: ContainerInfo) -> bool:
        return not self._feeds[container.ref.id].is_busy or self._find_newest(container, 0.0) is not None

    def _find_newest(self, container: ContainerInfo, now: float) -> Sample | None:
        feed = self._feeds[container.ref.id]
        if feed.stats is None or self._clock() - feed.arrived_at > FRESH_SECONDS:
            return None
        try:
            sample = answer.parse_sample(container.ref.id, feed.stats, now)
        except answer.MALFORMED_ERRORS as error:
            logger.debug("stats.rejected container=%s error=%r", container.ref.name, error)
            return None
        # A sample from before a restart says nothing about the container that runs now.
        return None if 0 < sample.time < container.started_at else sample

    def _forget(self) -> None:
        idle = [
            container for container, feed in self._feeds.items() if not feed.is_busy and self._is_idle(feed)
        ]
        for container in idle:
            del self._feeds[container]

    def _is_idle(self, feed: StatsFeed) -> bool:
        return self._clock() - feed.asked_at > IDLE_SECONDS

    # --- in threads ---------------------------------------------------------------------------------

    def _run_stream(self, follow: Follow, container: str, feed: StatsFeed) -> None:
        try:
            self._listen(*follow(container), feed)
        except (EngineError, *answer.MALFORMED_ERRORS) as error:
            logger.debug("stats_stream.ended container=%s error=%s", container, error)
        finally:
            with self._changed:
                self._free_streams += 1
                self._streams.discard(threading.current_thread())
                self._end_request(feed)

    def _listen(self, answers: Generator[Answer, None, None], cut: Cut, feed: StatsFeed) -> None:
        with self._changed:
            if self._closed:
                return
            feed.cut = cut
        with closing(answers):
            for stats in answers:
                if not self._take_answer(feed, stats):
                    return

    def _ask_once(self, container: str, feed: StatsFeed) -> None:
        try:
            self._take_answer(feed, self._read(container))
        except (EngineError, *answer.MALFORMED_ERRORS) as error:
            logger.debug("stats_stream.failed container=%s error=%s", container, error)
        finally:
            with self._changed:
                self._end_request(feed)

    def _take_answer(self, feed: StatsFeed, stats: Answer) -> bool:
        """Store an answer. Returns whether to continue reading."""
        with self._changed:
            feed.stats = stats if answer.is_running(stats) else None
            feed.arrived_at, feed.has_answered = self._clock(), True
            self._changed.notify_all()
            return feed.stats is not None and not self._closed and not self._is_idle(feed)

    def _end_request(self, feed: StatsFeed) -> None:
        now = self._clock()
        hung = not feed.has_answered and now - feed.began >= HANG_SECONDS
        feed.hangs = feed.hangs + 1 if hung else 0
        feed.paused_until = now + compute_backoff(feed.hangs, FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS)
        feed.is_busy = False
        feed.cut = lambda: None
        self._changed.notify_all()
