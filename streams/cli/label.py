"""The command `label`: a person says of some texts of a market-week whether they are negative, neutral or positive."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketpulse.contract.markets import market_code
from marketpulse.contract.operators import Answer
from streams.cli import output
from streams.cli.output import Json
from streams.cli.progress import Phases
from streams.cli.settings import load_settings, login_name, run_async
from streams.clock import epoch_ms
from streams.errors import BadInput, UserKeyDiffers

if TYPE_CHECKING:
    from streams.pipeline.operators.labelling import Week
    from streams.settings import Settings

KEYS: dict[str, Answer] = {"n": "negative", "u": "neutral", "p": "positive", "s": "unclear"}
STOP = ("q", "\x03", "\x04", "")
LEGEND = "n negative  u neutral  p positive  s cannot be judged  q stop"


def label(
    market: Annotated[str, typer.Argument(help="Market code, as BR.")],
    week: Annotated[
        str | None, typer.Option(help="ISO week in UTC, as 2026-W47; default: the last one that is over.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=100, help="Texts to label: 20 take about five minutes.")] = 20,
    rater: Annotated[str | None, typer.Option(help="Who labels; default: the login name of this machine.")] = None,
    as_json: Json = False,
) -> None:
    """Label texts of a market-week, one after the other; see what they say of its user experience u.

    Texts are redacted. Keys: n negative, u neutral, p positive, s cannot be judged, q stop; where standard input is no
    terminal, a line each. Every answer is kept at once. Exit code 1 if there are fewer texts than asked for.

    ```
    marketpulse label BR
    marketpulse label BR --week 2026-W47 --count 50
    ```
    """
    from streams.judgement.draw import week_of

    code = market_code(market)
    if code is None:
        raise BadInput(f"{market} is no market code. Operator action: give an ISO code, as BR.")
    current = week_of(epoch_ms())
    number = current - 1 if week is None else _number(week)
    if number > current:
        raise BadInput(f"{week} is still to come. Operator action: give a week that has begun.")
    if number == current:
        output.note("this week is not over: its labels stand for the events so far. Better label one that is over.")
    name = (login_name() if rater is None else rater)[:256]
    found = run_async(_round(load_settings(), code, number, name, count, as_json))
    output.answer(found, as_json, _words(found))
    raise typer.Exit(1 if found.missing else 0)


def _number(week: str) -> int:
    from streams.judgement.draw import week_named

    try:
        return week_named(week)
    except ValueError:
        raise BadInput(f"--week {week}: no ISO week. Operator action: give one as 2026-W47.") from None


async def _round(settings: "Settings", market: str, week: int, rater: str, count: int, as_json: bool) -> "Week":
    from streams.pipeline.operators.labelling import Labelling, require_on

    require_on(settings)
    confusion = await _confusion(settings)
    with Phases() as say:
        async with Labelling(settings, market, week, rater, say) as labelling:

            def ask(text: str, number: int, texts: int) -> Answer | None:
                with say.hidden():
                    return asked(text, number, texts, as_json)

            return await labelling.run(count, confusion, ask)


async def _confusion(settings: "Settings") -> Any:
    """What the model confuses, (3, 3), as the workers' ledger has it; None where it was not measured.

    Raises UserKeyDiffers: another key draws other texts than those that were labelled before.
    Raises SettingsError: the key is the public one, and servers are not on loopback.
    """
    import msgspec

    from models.classifier import ModelInfo
    from streams.ledger.commit import Ledger
    from streams.pipeline.rollup.state import known_key
    from streams.pipeline.rollup.step_writes import MODEL_FIELD
    from streams.pipeline.rollup.unseen import model_confusion

    hashes = settings.user_hashes
    ledger = Ledger(settings.redis, settings.prefix)
    try:
        state = await ledger.load_state()
    finally:
        await ledger.close()
    key = known_key(state.get("common"))
    if key is not None and not hashes.knows(key.id):
        raise UserKeyDiffers(
            f"the ledger hashes user ids with key {key.id}, and this command was given another one: it would draw "
            "other texts. Operator action: set MARKETPULSE_USER_HASH_KEY (and _BEFORE, _SINCE) as the workers have it."
        )
    content = state.get(MODEL_FIELD)
    info = None if content is None else msgspec.json.decode(content, type=ModelInfo)
    if info is None or not info.languages:
        return None
    return model_confusion({name: one.confusion for name, one in info.languages.items()}).mean[-1]


def asked(text: str, number: int, texts: int, as_json: bool, read: Callable[[], str] | None = None) -> Answer | None:
    """Show a text and read the key that answers; None = stop. Other keys are asked for again.

    Args:
        text: redacted; what in it acts on a terminal is escaped where it is printed.
        number, texts: which text it is, of how many.
        as_json: the text goes out as a line of JSON.
        read: a key, or "" at the end of the input; default: from the terminal, or a line of standard input.
    """
    if as_json:
        output.print_json({"number": number, "of": texts, "text": text})
    else:
        output.say(f"\n{number} of {texts}: {output.visible(text)}\n{LEGEND}")
    while (key := (read or _key)()) not in STOP:
        if key in KEYS:
            return KEYS[key]
        output.note(LEGEND)
    return None


def _key() -> str:
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        return line.strip().lower()[:1] or ("?" if line else "")
    try:
        return typer.getchar().lower()
    except (KeyboardInterrupt, EOFError):
        return ""


def _words(week: "Week") -> str:
    texts = f"{week.texts} labelled texts of {week.events:,} events"
    skipped = [f"{n} {what}" for n, what in ((week.unclear, "cannot be judged"), (week.gone, "no longer there")) if n]
    lines = [f"{week.market} {week.week}: {', '.join([texts, *skipped])}"]
    if week.missing:
        lines.append(f"{week.missing} fewer than asked for: the week has no more")
    if week.u is None:
        lines.append("u: too few texts for an interval; two of each label that the model gave are needed")
    else:
        lines.append(f"u {week.u:.3f}, 95 % from {week.low:.3f} to {week.high:.3f}")
    if week.classifier is not None:
        lines.append(f"the model alone says {week.classifier:.3f}")
    return "\n".join(lines)
