"""Structured logs: constant snake_case event names, one canonical line per unit of work, no text of users in them.

Every value is redacted, whatever its field: texts of libraries, servers and records can get into any of them.
"""

import logging
import sys
import threading
import traceback
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, FilteringBoundLogger, Processor

from streams.privacy.redaction import redact_log
from streams.privacy.visible import visible, visible_lines
from streams.settings import Settings

OWN = frozenset({"timestamp", "level", "component", "logger"})
"""Fields whose values only this program writes: they are not redacted."""
RENDERED = frozenset({"exc_info", "stack_info", "_record", "_from_structlog"})
"""Fields of structlog's own, which it takes away or renders itself."""


def configure_logs(settings: Settings) -> None:
    """Route structlog, the libraries' standard logging and uncaught errors to standard error, once per process."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    as_json = settings.log_format == "json"
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=_traceback)
    )
    if as_json:
        shared.append(structlog.processors.format_exc_info)
    shared.append(_redacted)
    if not as_json:
        shared.append(_visible)  # JSON escapes what a terminal would obey
    level = logging.getLevelName(settings.log_level.upper())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for chatty in ("aiokafka", "faust", "mode", "asyncio"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
    logging.raiseExceptions = False  # Python would print the arguments of a line that it cannot format
    sys.excepthook = _uncaught
    threading.excepthook = lambda ended: _uncaught(ended.exc_type, ended.exc_value, ended.exc_traceback)


def log_uncaught(error: BaseException) -> bool:
    """Log what nobody handled, where this process logs at all: whether it does."""
    if structlog.is_configured():
        get_logger("process").critical("uncaught", exc_info=error)
    return structlog.is_configured()


def _uncaught(kind: type[BaseException], error: BaseException | None, _: TracebackType | None) -> None:
    """In place of Python's own hook, which prints the error unredacted."""
    if error is not None and not issubclass(kind, KeyboardInterrupt | SystemExit):
        log_uncaught(error)


def _redacted(logger: object, method: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if name not in OWN and name not in RENDERED:
            event[name] = redacted(value)
    return event


def redacted(value: Any) -> Any:
    """A value of a log's field without what names a user, in lists and objects too; numbers stay."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {redact_log(str(name)): redacted(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(one) for one in value]
    return redact_log(str(value))


def _visible(logger: object, method: str, event: EventDict) -> EventDict:
    for name, value in event.items():
        if name not in RENDERED and isinstance(value, str):
            event[name] = visible(value)
    return event


def _traceback(stream: TextIO, error: ExcInfo) -> None:
    stream.write("\n" + shown_traceback(error[1]))


def shown_traceback(error: BaseException) -> str:
    """An error's traceback for a terminal, redacted."""
    return visible_lines(redact_log("".join(traceback.format_exception(error))))


def get_logger(component: str) -> FilteringBoundLogger:
    """A logger bound to one component of the worker."""
    logger: FilteringBoundLogger = structlog.get_logger("marketpulse", component=component)
    return logger
