"""Bodies of other software: their records through the mapping of a token, as events or refusals."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from marketpulse.client.async_producer import CHECKS_S, Event, Outcome
from marketpulse.contract.decode import Rejected, lenient, parse_object
from marketpulse.contract.feedback import MAX_VALUE_BYTES
from streams.errors import BadInput, SettingsError
from streams.intake.bodies import BATCH, BROKEN, JSON, LINES, SINGLE, Refusal, bounded, taken_apart, values_of
from streams.settings import Settings
from streams.sources.events import NotUsable
from streams.sources.mapped import MappedForm, mapped_form
from streams.sources.mapping_file import load_mapping
from streams.sources.paths import MAX_SEARCHED, has_value, parsed_path
from streams.tokens import TokenMapping, token_mappings

Record = bytes | Rejected
"""A record's own bytes, or why there is none."""

NOTHING = b"null"
_any = msgspec.json.Decoder()
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])


def forms_of(settings: Settings) -> dict[str, MappedForm]:
    """The mapping of each token that has one, by its name. Raises SettingsError with every problem."""
    forms, problems = {}, []
    for given in token_mappings(settings.intake_mappings or ""):
        try:
            forms[given.token] = _form(given)
        except BadInput as error:
            problems.append(f"{given.token}: {error}")
    if problems:
        raise SettingsError("MARKETPULSE_INTAKE_MAPPINGS cannot be used:\n  " + "\n  ".join(problems))
    return forms


def _form(given: TokenMapping) -> MappedForm:
    mapping = load_mapping(given.mapping)
    fixed = {
        "market": given.market is not None and mapping.market.sets_all,
        "timezone": given.timezone is not None and mapping.occurred_at.zone is not None,
    }
    if twice := [name for name, both in fixed.items() if both]:
        raise BadInput(f"the mapping sets {', '.join(twice)} itself. Operator action: leave it out.")
    form = mapped_form(mapping, "", given.market, given.timezone)
    if not form.mapping.market.sets_all and not form.mapping.columns()["market"]:
        raise BadInput(
            "the market is read from the name of a file, which a body does not have. Operator action: add market=BR."
        )
    return form


def records_of(body: bytes, kind: str, form: MappedForm, most: int) -> list[Record]:
    """The records of a body, each as its own bytes; those inside of objects where the mapping has a path to them.

    Args:
        body: of the request.
        kind: its content type, as of `kind_of`.
        form: of the token's mapping.
        most: records of a request.

    Raises:
        Refusal: a CloudEvent, no records, too many, or a batch that is none.
    """
    if kind in (SINGLE, BATCH):
        known = ", ".join((JSON, *LINES))
        raise Refusal(415, "unsupported_type", f"content types that are read through a mapping: {known}")
    values = values_of(body.removeprefix(b"\xef\xbb\xbf"), kind, False, most)
    path = form.mapping.file.records
    if path is None:
        return list(values)
    return bounded([record for value in values for record in _inner(value, path)], most)


def _inner(value: bytes, path: str) -> Sequence[Record]:
    """The values of the list at a path; only what leads there is taken apart."""
    try:
        return taken_apart(value, lambda content: _list_at(content, path))
    except msgspec.ValidationError:
        return [Rejected("missing_field", f"no list at {path}")]
    except BROKEN:
        return [Rejected("not_json", "the value is not UTF-8 JSON")]


def _list_at(value: bytes, path: str) -> list[bytes]:
    """As `value_at` finds it: a key that is written like the whole path goes first."""
    content = _object.decode(value)
    first, *rest = (path,) if path in content else parsed_path(path)
    raw: Any = content.get(str(first), NOTHING)
    for step in rest:
        if isinstance(step, str):
            raw = _object.decode(raw).get(step, NOTHING)
        elif isinstance(step, int):
            raw = next(iter(_array.decode(raw)[step:]), NOTHING)
        else:
            key, wanted = step
            searched = itertools.islice(_array.decode(raw), MAX_SEARCHED)
            raw = next((item for item in searched if has_value(parse_object(bytes(item)), key, wanted)), NOTHING)
    return [bytes(record) for record in _array.decode(raw)]


async def events_of(records: Sequence[Record], form: MappedForm) -> list[dict[str, Any] | Rejected]:
    """The events of records, in their order; others may run after some milliseconds of them."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    events: list[dict[str, Any] | Rejected] = []
    for record in records:
        events.append(record if isinstance(record, Rejected) else _event(record, form))
        if loop.time() - began > CHECKS_S:
            await asyncio.sleep(0)
            began = loop.time()
    return events


def _event(record: bytes, form: MappedForm) -> dict[str, Any] | Rejected:
    if len(record) > MAX_VALUE_BYTES:
        return Rejected("too_large", f"the record has {len(record)} bytes, at most {MAX_VALUE_BYTES} are taken")
    try:
        content = _content(record)
        return form.event(content)
    except Rejected as rejected:
        return rejected
    except NotUsable as why:
        return Rejected(why.code, str(why))


def _content(record: bytes) -> dict[str, Any]:
    """The object of a record. Raises Rejected."""
    try:
        content = _any.decode(record)
    except BROKEN:
        content = lenient(record)
    if not isinstance(content, dict):
        raise Rejected("not_an_object", "the record is JSON, but not an object")
    return content


async def send_through(
    form: MappedForm | None, records: Sequence[Record], send: Callable[[list[Event]], Awaitable[list[Outcome]]]
) -> list[Outcome]:
    """What became of each record, in their order.

    Args:
        form: of the token's mapping; None = the records are events.
        records: of a body.
        send: publishes events, and says what became of each.
    """
    events = records if form is None else await events_of(records, form)
    sent = iter(await send([event for event in events if not isinstance(event, Rejected)]))
    return [event if isinstance(event, Rejected) else next(sent) for event in events]
