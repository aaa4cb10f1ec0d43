"""Rules tried on synthetic input: a test file in; through the real roll-up; what was expected beside what came."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from marketpulse.contract.alert_kinds import AlertKind
from marketpulse.contract.durations import duration_ms, duration_text
from marketpulse.contract.markets import MARKETS
from marketpulse.contract.records import AlertRecord
from marketpulse.contract.totals import DEAD_LETTERS
from marketpulse.contract.units import MICRO, MINUTE_MS
from marketpulse.files import Unreadable, read_toml
from models.labels import SENTIMENTS, TOPICS
from streams.backtest.series import spread, values_of
from streams.contract.rules import Rules
from streams.errors import BadInput
from streams.ledger.types import CutStep, PartitionCut
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.operators.rules_file import load_rules
from streams.pipeline.rollup.step import RollUp, StepOutcome
from streams.pipeline.rollup.step_record import Spending, StepContext

CONFIDENCE = "0.9"
CONTEXT = StepContext(Spending({}, {}, 1.0, (0.25, 0.25, 0.25, 0.25)), "rules test")

Some = Annotated[str, msgspec.Meta(min_length=1)]


class Series(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes in from a market, or about one topic of it, in the notation of `series.py`.

    `negatives` and `neutrals` are among the `events`, the rest is positive; `confidence`, in [0, 1], repeats its last
    value.
    """

    market: str
    events: Some
    negatives: str = ""
    neutrals: str = ""
    topic: str | None = None
    confidence: Some = CONFIDENCE


class Alert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An alert that is to be firing; market `*` for the whole intake, no topic = the market as a whole."""

    kind: AlertKind
    market: str = "*"
    topic: str | None = None


class Expectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is firing so long after the begin, exactly, of a kind or market where one is given; and who shifted so far.

    Without `alerts` (or `shifts`) they are not looked at.
    """

    at: str
    alerts: list[Alert] | None = None
    kind: AlertKind | None = None
    market: str | None = None
    shifts: list[str] | None = None


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One test: series that begin together at `start`, and what is expected of them."""

    name: str
    series: list[Series]
    expect: Annotated[list[Expectation], msgspec.Meta(min_length=1)]
    dead_letters: str = ""
    start: datetime = datetime(2026, 1, 5, tzinfo=UTC)


class TrialFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A test file: `rules` is a path relative to it (none = the defaults), `interval` what one value stands for."""

    test: Annotated[list[Trial], msgspec.Meta(min_length=1)]
    rules: str | None = None
    interval: str = "1m"
    topics: tuple[str, ...] = TOPICS


class Checked(msgspec.Struct, frozen=True):
    """One expectation, and what came; alerts as `kind market topic`."""

    at: str
    what: Literal["alerts", "shifts"]
    expected: list[str]
    got: list[str]

    @property
    def ok(self) -> bool:
        """Whether they are equal."""
        return self.expected == self.got


class TrialResult(msgspec.Struct, frozen=True):
    """One test's outcome; `story` tells every alert and shift with its time since the begin."""

    name: str
    ok: bool
    checks: list[Checked]
    story: list[str]


def run_trials(path: Path, rules: Path | None = None) -> list[TrialResult]:
    """Run the tests of a file, with other rules than it names where some are given.

    Raises:
        BadInput: a file cannot be used.
    """
    file = _load(path)
    named = rules or (None if file.rules is None else path.parent / file.rules)
    in_force = load_rules(named)
    found = []
    for number, trial in enumerate(file.test, 1):
        try:
            found.append(_run(trial, in_force, file))
        except ValueError as error:
            where = f"{path}, test {number} ({trial.name})"
            raise BadInput(f"{where}: {error}. Operator action: mend the test.") from error
    return found


def _load(path: Path) -> TrialFile:
    try:
        return read_toml(path.read_bytes(), TrialFile)
    except (OSError, Unreadable) as error:
        raise BadInput(
            f"{path} cannot be used: {error}. Operator action: mend it; deploy/rules_test.toml is an example."
        ) from error


def _run(trial: Trial, rules: Rules, file: TrialFile) -> TrialResult:
    layout = CellLayout(file.topics, SENTIMENTS)
    deadlines = [(_minutes(one.at), one) for one in trial.expect]
    minutes = _by_minute(trial, file)
    length = max(len(minutes), *(at for at, _ in deadlines))
    by_topic = {one.market for one in trial.series if one.topic is not None}
    firing: dict[str, AlertRecord] = {}
    shifted: set[str] = set()
    checks: list[Checked] = []
    story: list[str] = []
    for at, outcome in enumerate(_outcomes(trial, rules, layout, minutes, length), 1):
        passed = duration_text(at * MINUTE_MS)
        for alert in outcome.alerts:
            if alert.topic is not None and alert.market not in by_topic:
                continue
            firing.pop(alert.id, None)
            if alert.state == "firing":
                firing[alert.id] = alert
            if alert.state == "firing" or (alert.state == "resolved" and alert.fired_at is not None):
                story.append(f"{passed} {_name(alert)} {alert.state}")
        for shift in outcome.shifts:
            if shift.market is not None:
                shifted.add(shift.market)
                story.append(f"{passed} shift {shift.market}")
        for deadline, expected in deadlines:
            if deadline == at:
                checks += _checks(expected, list(firing.values()), shifted)
    return TrialResult(trial.name, all(one.ok for one in checks), checks, story)


def _checks(expected: Expectation, firing: list[AlertRecord], shifted: set[str]) -> Iterator[Checked]:
    if expected.alerts is None and expected.shifts is None:
        raise ValueError(f"what is expected at {expected.at} names neither alerts nor shifts")
    if expected.alerts is not None:
        seen = [
            alert for alert in firing
            if expected.kind in (None, alert.kind) and expected.market in (None, alert.market)
        ]  # fmt: skip
        wanted = sorted(_name(one) for one in expected.alerts)
        yield Checked(expected.at, "alerts", wanted, sorted(_name(alert) for alert in seen))
    if expected.shifts is not None:
        yield Checked(expected.at, "shifts", sorted(expected.shifts), sorted(shifted))


def _name(alert: Alert | AlertRecord) -> str:
    return " ".join(filter(None, (alert.kind, alert.market, alert.topic)))


def _minutes(text: str) -> int:
    minutes, rest = divmod(duration_ms(text), MINUTE_MS)
    if rest or not minutes:
        raise ValueError(f"{text!r} is no number of whole minutes above 0")
    return minutes


def _by_minute(trial: Trial, file: TrialFile) -> list[dict[str, int]]:
    """The ledger's counts of each minute, without market's minute: `market cell` -> count or micro-units."""
    parts = _minutes(file.interval)
    minutes: list[dict[str, int]] = []

    def put(at: int, name: str, count: int) -> None:
        while len(minutes) <= at:
            minutes.append({})
        if count:
            minutes[at][name] = minutes[at].get(name, 0) + count

    for one in trial.series:
        if one.market not in MARKETS:
            raise ValueError(f"{one.market} is no assigned ISO 3166-1 alpha-2 code")
        if one.topic is not None and one.topic not in file.topics:
            raise ValueError(f"topic {one.topic} is none of {', '.join(file.topics)}")
        topic = one.topic or file.topics[0]
        for at, (negative, neutral, positive, confidence) in enumerate(_counts(one, parts)):
            put(at, f"{one.market} negative/{topic}", negative)
            put(at, f"{one.market} neutral/{topic}", neutral)
            put(at, f"{one.market} positive/{topic}", positive)
            put(at, f"{one.market} e/{topic}", positive * MICRO + neutral * MICRO // 2)
            put(at, f"{one.market} e2", positive * MICRO + neutral * MICRO // 4)
            put(at, f"{one.market} confidence", int(confidence * (negative + neutral + positive) * MICRO))
    for at, count in enumerate(spread(values_of(trial.dead_letters), parts)):
        put(at, DEAD_LETTERS, count)
    return minutes


def _counts(one: Series, parts: int) -> Iterator[tuple[int, int, int, float]]:
    """(negatives, neutrals, positives, confidence) of each minute."""
    events = values_of(one.events)
    share = values_of(one.confidence)
    if not share or max(share) > 1:
        raise ValueError(f"confidence {one.confidence!r} of {one.market} is not within [0, 1]")
    labels = []
    for name, text in (("negatives", one.negatives), ("neutrals", one.neutrals)):
        values = values_of(text)
        if len(values) > len(events):
            raise ValueError(f"{name} of {one.market} are {len(values)} values, events {len(events)}")
        labels.append(values + [0.0] * (len(events) - len(values)))
    rest = [n - negative - neutral for n, negative, neutral in zip(events, *labels, strict=True)]
    if min(rest, default=0) < 0:
        at = next(at for at, value in enumerate(rest) if value < 0)
        raise ValueError(f"value {at + 1} of {one.market} has more negatives and neutrals than events")
    shares = [*share, *[share[-1]] * len(events)][: len(events)]
    spreads = [spread(values, parts) for values in (*labels, rest)]
    yield from zip(*spreads, [one for one in shares for _ in range(parts)], strict=True)


def _outcomes(
    trial: Trial, rules: Rules, layout: CellLayout, minutes: list[dict[str, int]], length: int
) -> Iterator[StepOutcome]:
    """One step a minute; stream time is at the end of each, whether something came or not."""
    rollup = RollUp(layout, idle_ms=MINUTE_MS, rules=rules)
    start = trial.start if trial.start.tzinfo else trial.start.replace(tzinfo=UTC)
    first = int(start.timestamp()) // 60
    for at in range(length):
        counts = {}
        for name, n in (minutes[at] if at < len(minutes) else {}).items():
            market, _, cell = name.rpartition(" ")
            counts[f"{market}:{first + at}:{cell}" if market else f"*:{first + at}{cell}"] = n
        end_ms = (first + at + 1) * MINUTE_MS
        step = CutStep(
            at + 1, end_ms, counts, {}, {0: PartitionCut(at + 1, end_ms - 1, rose_ms=end_ms, seen_ms=end_ms)}
        )
        yield rollup.decide(step, rollup.take(step), CONTEXT)
