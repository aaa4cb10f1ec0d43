"""docs/strategy.md is a notebook: every example of it gives what it says."""

import doctest
import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "strategy.md"


def test_the_walk_through() -> None:
    """All ```python blocks, in order, in one namespace; numbers as printed."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 8
    names: dict[str, object] = {}
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    said: list[str] = []
    for number, block in enumerate(blocks):
        test = doctest.DocTestParser().get_doctest(block, names, f"block {number + 1}", str(PAGE), 0)
        runner.run(test, out=said.append, clear_globs=False)
        names = test.globs
    assert [] == said
