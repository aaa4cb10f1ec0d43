"""What `from marketpulse import ...` gives: one list, by its names, its types and its places."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

import marketpulse


def test_every_name_is_listed_typed_and_found_in_one_place() -> None:
    """A type checker sees what `__all__` says and what is imported at first use."""
    tree = ast.parse(Path(marketpulse.__file__).read_text("utf-8"))
    typed = {
        name.name: statement.module
        for guard in tree.body
        if isinstance(guard, ast.If)
        for statement in guard.body
        if isinstance(statement, ast.ImportFrom)
        for name in statement.names
    }
    assert typed == marketpulse._HOME_OF
    assert sorted(typed) == marketpulse.__all__


@pytest.mark.parametrize("name", marketpulse.__all__)
def test_it_is_what_its_module_defines(name: str) -> None:
    """And shown by `dir`."""
    assert getattr(marketpulse, name) is getattr(import_module(marketpulse._HOME_OF[name]), name)
    assert name in dir(marketpulse)


def test_another_name_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match="has no attribute 'Consumer'"):
        _ = marketpulse.Consumer
