"""Files of feedback as tests read them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from streams.sources.events import form_of
from streams.sources.feed import Feed
from streams.sources.lines import Skipped

Read = Callable[..., tuple[list[dict[str, Any]], list[tuple[int, str]], list[str]]]
"""What `reader` gives."""


def reader(folder: Path) -> Read:
    """Events, skipped lines and notes of a file in this folder with some content and options of `form_of`."""

    def read(
        content: bytes | str, name: str = "feed", **options: Any
    ) -> tuple[list[dict[str, Any]], list[tuple[int, str]], list[str]]:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        skipped = Skipped()
        with Feed(str(path), False, form_of(**options)) as feed:
            events = [msgspec.json.decode(record.value) for record in feed.records(skipped)]
            return events, skipped.first, feed.notes()

    return read
