"""The labels every model of the project answers with, in the order of its outputs."""

SENTIMENTS: tuple[str, ...] = ("negative", "neutral", "positive")

TOPICS: tuple[str, ...] = (
    "general",
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
