"""TOML and JSON that operators write: whatever is in them, reading ends in a value or in one error."""

import tomllib
from typing import TypeVar

import msgspec

from marketpulse.contract.wire import UNREADABLE

T = TypeVar("T")


class Unreadable(ValueError):
    """A content is no TOML or JSON, or not of the wanted type; the message says where."""


def read_toml(content: bytes, wanted: type[T]) -> T:
    """A TOML text in UTF-8 as a type: tables are dictionaries, or structs. Raises Unreadable."""
    try:
        return msgspec.convert(tomllib.loads(content.decode("utf-8")), wanted)
    except RecursionError as error:
        raise Unreadable("it is nested too deeply") from error
    except (tomllib.TOMLDecodeError, *UNREADABLE) as error:
        raise Unreadable(str(error)) from error
    except ValueError as error:  # tomllib leaves it to int() to refuse thousands of digits
        raise Unreadable("a number has too many digits") from error


def read_json(content: bytes, wanted: type[T]) -> T:
    """A JSON text in UTF-8 as a type. Raises Unreadable."""
    try:
        return msgspec.json.decode(content, type=wanted)
    except RecursionError as error:
        raise Unreadable("it is nested too deeply") from error
    except UNREADABLE as error:
        raise Unreadable(str(error)) from error
