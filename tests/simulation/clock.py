"""An event loop on a virtual clock whose processes can be stopped, resumed and killed between any two callbacks."""

import asyncio
import heapq
import random
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any

PROCESS: ContextVar["Process | None"] = ContextVar("process", default=None)
OUTSIDE = Context()  # where callbacks run that belong to no process: network, servers, nemesis


class Process:
    """Everything that runs in one simulated operating system process; `stop` is SIGSTOP, `kill` is SIGKILL."""

    def __init__(self, loop: "VirtualLoop", name: str) -> None:
        self._loop = loop
        self._backlog: deque[asyncio.Handle] = deque()
        self._tasks: list[asyncio.Task[Any]] = []
        self._context = copy_context()
        self._context.run(PROCESS.set, self)
        self.name = name
        self.stopped = False
        self.dead = False

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run a coroutine in this process."""
        task = self._loop.create_task(work, context=self._context.copy())
        self._tasks.append(task)
        return task

    def stop(self) -> None:
        """Freeze: nothing of it runs, timers and replies pile up."""
        self.stopped = True

    def resume(self) -> None:
        """Go on with what piled up."""
        self.stopped = False
        self._loop.give_back(self._backlog)
        self._backlog = deque()

    def kill(self) -> None:
        """Never run any callback of it again, not even a `finally`."""
        self.dead = True
        self._backlog.clear()

    def holds_back(self, handle: asyncio.Handle) -> bool:
        """Whether a callback must not run now; a stopped process keeps it for later."""
        if self.dead:
            return True
        if self.stopped:
            self._backlog.append(handle)
        return self.stopped


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in a fixed order; when none is ready the clock jumps to the next timer. No threads, no sockets."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, rng: random.Random, most_callbacks: int = 2_000_000) -> None:
        super().__init__()
        self._rng = rng
        self._now = 0.0
        self.slow_s = 0.02  # the most that a part of a step takes in another thread; the model has threads for itself
        self._left = most_callbacks
        self._all_tasks: list[asyncio.Task[Any]] = []
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """Virtual seconds since the begin of the run."""
        return self._now

    def give_back(self, handles: deque[asyncio.Handle]) -> None:
        """Run callbacks that were held back."""
        self._ready.extend(handles)

    def later(self, delay_s: float, callback: Callable[..., object], *args: Any) -> None:
        """Call outside of every process."""
        self.call_later(delay_s, callback, *args, context=OUTSIDE)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]
        """Work of another thread: its result is there after a little while of virtual time."""
        future = self.create_future()
        try:
            settle, result = future.set_result, func(*args)
        except Exception as error:
            settle, result = future.set_exception, error
        self.later(
            self._rng.uniform(0.0, self.slow_s if executor is None else 0.02),
            lambda: None if future.done() else settle(result),
        )
        return future

    def abandon_tasks(self) -> None:
        """Close what is left of all tasks, so that nothing is reported when they are collected."""
        self._ready.clear()
        self._scheduled.clear()
        for task in self._all_tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                close_quietly(task.get_coro())

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, work: Any, context: Context | None = None
    ) -> "asyncio.Task[Any]":
        task = asyncio.Task(work, loop=loop, context=context)
        self._all_tasks.append(task)
        return task

    def _run_once(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise RuntimeError("the simulation runs for ever")
        if not self._ready:
            if not self._scheduled:
                raise RuntimeError("nothing will ever happen again")
            handle: asyncio.Handle = heapq.heappop(self._scheduled)
            self._now = max(self._now, handle._when)  # type: ignore[attr-defined]
        else:
            handle = self._ready.popleft()
        if handle._cancelled:  # type: ignore[attr-defined]
            return
        process = handle._context.get(PROCESS)  # type: ignore[attr-defined]
        if process is None or not process.holds_back(handle):
            handle._run()  # type: ignore[attr-defined]

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers leave when their time comes."""


def close_quietly(work: Any) -> None:
    """Close a coroutine that will never go on; what it says to that interests nobody."""
    try:
        work.close()
    except BaseException:
        return
