"""Structured logs: constant snake_case event names, one canonical line per unit of work, no text of users in them."""

import io
import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, FilteringBoundLogger, Processor

from streams.privacy.redaction import redact_log
from streams.settings import Settings

FREE_TEXT = ("event", "error", "exception", "stack")
"""Fields that can quote what a library, a server or a record said; the others are values of our own."""


def configure_logs(settings: Settings) -> None:
    """Route structlog and the libraries' standard logging to standard error, once per process."""
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


def _redacted(logger: object, method: str, event: EventDict) -> EventDict:
    for name in FREE_TEXT:
        if isinstance(text := event.get(name), str):
            event[name] = redact_log(text)
    return event


def _traceback(stream: TextIO, error: ExcInfo) -> None:
    written = io.StringIO()
    structlog.dev.plain_traceback(written, error)
    stream.write(redact_log(written.getvalue()))


def get_logger(component: str) -> FilteringBoundLogger:
    """A logger bound to one component of the worker."""
    logger: FilteringBoundLogger = structlog.get_logger("marketpulse", component=component)
    return logger
