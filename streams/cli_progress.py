"""Progress on standard error for whatever takes longer than two seconds; nothing where that is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

Update = Callable[[int, int | None], None]
Receive = Callable[[dict[str, object]], None]


@contextmanager
def progress(what: str) -> Iterator[Update]:
    """A bar for as long as the block lasts; the update takes how much is done and of how much, None = not known."""
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    hidden = not console.is_terminal
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(what, total=None)

        def update(done: int, total: int | None = None) -> None:
            bar.update(task, completed=done, total=total)

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
