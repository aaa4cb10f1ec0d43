"""Progress on standard error for whatever takes longer than two seconds; nothing where that is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from streams.cli import output

Update = Callable[[int, int | None], None]
Receive = Callable[[dict[str, object]], None]


class Phases:
    """A bar for work in several parts, each with its own time to go."""

    def __init__(self) -> None:
        console = output.console(stderr=True)
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        hidden = not console.is_terminal
        self._bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=hidden)
        self._task = self._bar.add_task("", total=None)
        self._what = ""

    def __enter__(self) -> "Phases":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, what: str, done: int, total: int | None = None) -> None:
        """What is being done, how much of it is, and of how much; None = not known."""
        if what != self._what:
            self._what = what
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task(output.visible(what), total=total)
        self._bar.update(self._task, completed=done, total=total)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """No bar for as long as the block lasts: somebody is asked something."""
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()


@contextmanager
def progress(what: str) -> Iterator[Update]:
    """A bar for as long as the block lasts; the update takes how much is done and of how much, None = not known."""
    with Phases() as phases:

        def update(done: int, total: int | None = None) -> None:
            phases(what, done, total)

        yield update


@contextmanager
def shown_events(what: str, say: Receive) -> Iterator[Receive]:
    """A receiver of events: each is passed on to `say`, and those named `progress` move a bar."""
    with progress(what) as update:

        def receive(event: dict[str, object]) -> None:
            if event.get("event") == "progress":
                done, total = event.get("committed", 0), event.get("of")
                update(int(str(done)), None if total is None else int(str(total)))
            say(event)

        yield receive
