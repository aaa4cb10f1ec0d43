"""The labels every model of the project answers with, in the order of its outputs, and what other models' mean."""

import re

SENTIMENTS: tuple[str, ...] = ("negative", "neutral", "positive")

GENERAL = "general"
"""The topic of a text that is about none of the others."""

TOPICS: tuple[str, ...] = (
    GENERAL,
    "quality",
    "performance",
    "service_support",
    "delivery",
    "price",
    "usability_design",
    "app",
    "content",
    "location_facilities",
    "feature_request",
    "safety_privacy",
)

_STARS = re.compile(r"([1-5])[ _-]*stars?|stars?[ _-]*([1-5])", re.IGNORECASE)
_NAME = re.compile(r"(?:(?:very|extremely|mostly|somewhat|slightly)[ _-]+)?(neg|neu|pos)", re.IGNORECASE)


def sentiment_of(label: str) -> str | None:
    """The sentiment that a label names, None where it names none.

    Names as `NEG`, `Positiv` or `very negative`; 1 and 2 stars are negative, 3 neutral, 4 and 5 positive.
    """
    if stars := _STARS.fullmatch(label.strip()):
        number = int(stars[1] or stars[2])
        return SENTIMENTS[0 if number < 3 else 1 if number == 3 else 2]
    if name := _NAME.match(label.strip()):
        return next(sentiment for sentiment in SENTIMENTS if sentiment.startswith(name[1].lower()))
    return None
