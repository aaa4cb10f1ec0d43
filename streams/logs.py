"""Structured logs: constant snake_case event names, one canonical line per unit of work, text never in them."""

import logging
import sys

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from streams.settings import Settings


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
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    if as_json:
        shared.append(structlog.processors.format_exc_info)
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


def get_logger(component: str) -> FilteringBoundLogger:
    """A logger bound to one component of the worker."""
    logger: FilteringBoundLogger = structlog.get_logger("marketpulse", component=component)
    return logger
