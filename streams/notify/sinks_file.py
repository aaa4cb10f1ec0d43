"""The sinks file (TOML) read and checked: every problem at once, each with what is allowed there."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from yarl import URL

from marketpulse.contract.alert_kinds import ALERTS
from marketpulse.contract.canary import KIND
from marketpulse.contract.durations import duration_ms, duration_text
from marketpulse.contract.markets import MARKETS, market_code
from marketpulse.contract.records import AlertRecord
from marketpulse.files import Unreadable, read_toml
from streams.environment import secret_of
from streams.errors import BadInput
from streams.notify.addresses import Allowed
from streams.notify.heartbeat import KIND as HEARTBEAT
from streams.notify.messages import SEVERITIES, Severity, severity
from streams.notify.signature import key_of
from streams.pipeline.operators.rules_file import near_and_known
from streams.privacy.visible import problem_lines

Kind = Literal["alertmanager", "apprise", "webhook"]
MOST_SINKS = 50
NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
DEFAULT_RETRY_S = 3_600.0


@dataclass(frozen=True)
class SinkSpec:
    """One sink as the file describes it; durations in seconds. What is secret does not show in repr."""

    name: str
    kind: Kind
    url: str = field(repr=False)
    severity: Severity = "info"
    kinds: frozenset[str] = frozenset()
    markets: frozenset[str] = frozenset()
    per_minute: float = 12.0
    burst: int = 5
    timeout_s: float = 10.0
    retry_for_s: float = DEFAULT_RETRY_S
    excerpts: bool = False
    resend_s: float = 60.0
    heartbeat_s: float | None = None
    token: str | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def wants(self, alert: AlertRecord) -> bool:
        """Whether the sink is to be told of an alert at all: of a canary always."""
        return alert.kind == KIND or (
            SEVERITIES.index(severity(alert)) >= SEVERITIES.index(self.severity)
            and (not self.kinds or alert.kind in self.kinds)
            and (not self.markets or alert.market in self.markets)
        )

    @property
    def hidden(self) -> list[str]:
        """What must not be said of it anywhere."""
        return [self.url, *self.secrets, *([self.token] if self.token else [])]


@dataclass(frozen=True)
class SinksFile:
    """All sinks, whom they may speak to, and where the page is."""

    sinks: tuple[SinkSpec, ...]
    allowed: Allowed
    page: str | None = None


class _Key(NamedTuple):
    field: str
    what: Literal["number", "count", "duration", "flag", "severity", "kinds", "markets", "text", "secret", "secrets"]
    low: float = 0
    high: float = 0

    @property
    def allowed(self) -> str:
        match self.what:
            case "number":
                return f"a number from {self.low:g} to {self.high:g}"
            case "count":
                return f"a whole number from {self.low:g} to {self.high:g}"
            case "duration":
                low, high = duration_text(1_000 * self.low), duration_text(1_000 * self.high)
                return f'a duration in quotes from "{low}" to "{high}", as in "30s"'
            case "flag":
                return "true or false"
            case "severity":
                return f"one of {', '.join(SEVERITIES)}"
            case "kinds":
                return f"a list of {', '.join([*ALERTS, HEARTBEAT])}"
            case "markets":
                return 'a list of market codes, as in ["BR", "*"]'
            case "secret":
                return 'a reference to an environment variable, as in "${TOKEN}"'
            case "secrets":
                return 'a list of one or two references, as in ["${SECRET}"], each whsec_ and base64 of 24 to 64 bytes'
            case _:
                return "a text in quotes"


_COMMON = {
    "kind": _Key("kind", "text"),
    "url": _Key("url", "text"),
    "severity": _Key("severity", "severity"),
    "kinds": _Key("kinds", "kinds"),
    "markets": _Key("markets", "markets"),
    "per_minute": _Key("per_minute", "number", 0.1, 600),
    "burst": _Key("burst", "count", 1, 100),
    "timeout": _Key("timeout_s", "duration", 1, 30),
    "retry_for": _Key("retry_for_s", "duration", 0, 86_400),
    "excerpts": _Key("excerpts", "flag"),
}
_HEARTBEAT = {"heartbeat": _Key("heartbeat_s", "duration", 30, 3_600)}
_RESEND = {"resend": _Key("resend_s", "duration", 1, 3_600), "token": _Key("token", "secret")}
KEYS: dict[Kind, dict[str, _Key]] = {
    "alertmanager": _COMMON | _HEARTBEAT | _RESEND,
    "apprise": _COMMON,
    "webhook": _COMMON | _HEARTBEAT | {"secrets": _Key("secrets", "secrets")},
}
"""Kind of sink -> its keys."""
_NO_CHAT = (
    "a chat would get a message every few minutes; give it to a sink of kind alertmanager or webhook, for example the "
    "URL of a healthcheck service"
)
_TOP = ("page", "hosts", "private_hosts", "sink")


def load_sinks(path: Path | None, environment: Mapping[str, str]) -> SinksFile:
    """The sinks of a TOML file, with references to environment variables (or `_FILE`s of them) resolved.

    Raises:
        BadInput: there is no file, or something in it cannot be used: every problem is named, no secret is.
    """
    if path is None:
        raise BadInput("no sinks. Operator action: name a file in MARKETPULSE_SINKS or --sinks; see deploy/sinks.toml.")
    try:
        content = read_toml(path.read_bytes(), dict[str, Any])
    except (OSError, Unreadable) as error:
        raise BadInput(
            f"{path} cannot be read: {error}. Operator action: mend the file or MARKETPULSE_SINKS."
        ) from error
    problems: list[str] = []
    found = _sinks_of(content, environment, problems)
    if problems:
        raise BadInput(
            f"The sinks of {path} cannot be used:{problem_lines(problems)}\nOperator action: correct what is named."
        )
    return found


def _sinks_of(content: dict[str, Any], environment: Mapping[str, str], problems: list[str]) -> SinksFile:
    problems += [f"{name}: no such key{near_and_known(name, _TOP)}" for name in content if name not in _TOP]
    hosts, private = (_hosts(content.get(name, []), name, problems) for name in ("hosts", "private_hosts"))
    allowed = Allowed(hosts, private)
    page = content.get("page")
    if page is not None and not (isinstance(page, str) and page.startswith(("http://", "https://"))):
        problems.append('page: must be a URL in quotes, as in "https://marketpulse.example.com/"')
    tables = content.get("sink", {})
    if not isinstance(tables, dict) or not 1 <= len(tables) <= MOST_SINKS:
        problems.append(f'sink: 1 to {MOST_SINKS} tables are needed, as in [sink.chat] kind = "apprise"')
        tables = {}
    sinks = [_sink(name, keys, environment, allowed, problems) for name, keys in tables.items()]
    return SinksFile(tuple(one for one in sinks if one is not None), allowed, page)


def _hosts(value: Any, name: str, problems: list[str]) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) and re.fullmatch(r"[\w.:-]+", one) for one in value):
        problems.append(f'{name}: must be a list of host names or addresses without port, as in ["hooks.example.com"]')
        return frozenset()
    return frozenset(one.lower() for one in value)


def _sink(
    name: str, keys: Any, environment: Mapping[str, str], allowed: Allowed, problems: list[str]
) -> SinkSpec | None:
    where = f"[sink.{name}]"
    if not NAME.fullmatch(name):
        problems.append(f"{where}: a name is 1 to 32 of a-z, 0-9, _ and -, a letter first")
    kind: Kind | None = keys.get("kind") if isinstance(keys, dict) else None
    if kind is None or kind not in get_args(Kind):
        problems.append(f"{where} kind: must be one of {', '.join(get_args(Kind))}")
        return None
    known = KEYS[kind]
    values: dict[str, Any] = {}
    for key, value in keys.items():
        if key == "heartbeat" and kind == "apprise":
            problems.append(f"{where} heartbeat: {_NO_CHAT}")
            continue
        if key not in known:
            problems.append(f"{where} {key}: no such key of {kind}{near_and_known(key, known)}")
            continue
        read = _value(value, known[key], environment)
        if isinstance(read, str) and read.startswith("!"):
            problems.append(f"{where} {key}: {read[1:]}")
        else:
            values[known[key].field] = read
    only_beats = values.get("kinds") == {HEARTBEAT}
    needed = ("url", "secrets") if kind == "webhook" and not only_beats else ("url",)
    if HEARTBEAT in values.get("kinds", ()) and "heartbeat" not in keys:
        problems.append(f'{where} kinds: "heartbeat" is for sinks with the key heartbeat, as in heartbeat = "5m"')
    missing = [key for key in needed if key not in keys]
    problems += [f"{where} {key}: is needed, {known[key].allowed}" for key in missing]
    if "url" in values and kind != "apprise":
        problems += [f"{where} url: {why}" for why in _url_problems(values["url"], allowed)]
    return None if any(key not in values for key in needed) else SinkSpec(name=name, **values)


def _url_problems(text: str, allowed: Allowed) -> list[str]:
    """What is wrong with the URL of a sink; the URL itself is not said, since it may hold a token."""
    try:
        url = URL(text)
    except ValueError:
        return ["is no URL"]
    host = (url.host or "").lower()
    if url.scheme not in ("http", "https") or not host:
        return ["must begin with https:// (or http://) and a host"]
    if not host.strip("0123456789.") and not _is_ip(host):
        return [f"host {host} is no address: write all four numbers of it"]
    found = [] if allowed.host(host) else [f"host {host} is not named in hosts or private_hosts"]
    if allowed.host(host) and _is_ip(host) and not allowed.address(host, host):
        found.append(f"{host} is a private address: name it in private_hosts if it is meant")
    if url.scheme == "http" and host not in allowed.private:
        found.append("must begin with https://; http:// is for private_hosts only")
    if url.user or url.password:
        found.append("must hold no user name or password: give Alertmanager's token in `token`")
    return found


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _value(value: Any, key: _Key, environment: Mapping[str, str]) -> Any:
    """The value of one key; a text that begins with `!` says what is wrong with it."""
    wrong = f"!must be {key.allowed}"
    match key.what:
        case "text":
            return _resolved(value, environment) if isinstance(value, str) and value else wrong
        case "secret":
            return _resolved(value, environment) if isinstance(value, str) and REFERENCE.fullmatch(value) else wrong
        case "secrets":
            return _secrets(value, environment, wrong)
        case "flag":
            return value if isinstance(value, bool) else wrong
        case "severity":
            return value if value in SEVERITIES else wrong
        case "kinds":
            return frozenset(value) if _list_of(value, [*ALERTS, HEARTBEAT]) else wrong
        case "markets":
            codes = (
                [market_code(one) or one for one in value if isinstance(one, str)] if isinstance(value, list) else []
            )
            return frozenset(codes) if codes and _list_of(codes, [*MARKETS, "*"]) else wrong
        case "duration":
            return _within(_duration_s(value), key, wrong)
        case "count":
            return _within(value if isinstance(value, int) else None, key, wrong)
        case "number":
            return _within(value, key, wrong)


def _list_of(value: Any, known: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(one in known for one in value)


def _duration_s(value: Any) -> float | None:
    try:
        return duration_ms(value) / 1_000 if isinstance(value, str) else None
    except ValueError:
        return None


def _within(value: Any, key: _Key, wrong: str) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if number and key.low <= value <= key.high else wrong


def _secrets(value: Any, environment: Mapping[str, str], wrong: str) -> Any:
    if not isinstance(value, list) or not 1 <= len(value) <= 2:
        return wrong
    found = []
    for one in value:
        if not isinstance(one, str) or not REFERENCE.fullmatch(one):
            return wrong
        secret = _resolved(one, environment)
        if secret.startswith("!"):
            return secret
        try:
            key_of(secret)
        except ValueError as error:
            return f"!{one} {error}"
        found.append(secret)
    return tuple(found)


def _resolved(text: str, environment: Mapping[str, str]) -> str:
    """The text with its references replaced; what is not set, or whose file cannot be read, is named."""
    found = {}
    for name in REFERENCE.findall(text):
        try:
            found[name] = secret_of(environment, name)
        except ValueError as error:
            return f"!{name} {error}"
    if missing := [name for name, value in found.items() if not value]:
        return f"!the environment variable {', '.join(missing)} is not set"
    return REFERENCE.sub(lambda reference: found[reference[1]] or "", text)
