"""What holds a market's spend: its names, beside those that `strategy.bounds` gives its bounds, and its words."""

SMALL = 1e-4
"""Of the budget: a smaller change of money is none."""
UNHEARD = "nothing heard from its users"
HELD = "too uncertain to move"
SATURATED = "saturated"

LIMITS = {
    "pinned": "pinned by hand",
    "lower bound": "at its lower bound",
    "upper bound": "at its upper bound",
    "change limit down": "may not fall further within 24 h (change limit)",
    "change limit up": "may not rise further within 24 h (change limit)",
    "already spent": "this much is spent already",
    "not legally ready": "not legally ready, so nothing new",
    "minimum viable spend": "at its minimum viable spend",
    UNHEARD: "nothing heard from its users, so its spend stays",
    HELD: "too uncertain to move, so its spend stays",
    SATURATED: "more money would buy nothing here",
}
"""What each name in `binding` means; `cap of <region>` is none of them."""
LEFT = "entering it does less than the money does elsewhere"
FIXED = ("pinned", "already spent", "not legally ready", UNHEARD, HELD)
"""Limits under which the spend is what it is, whatever the metrics are."""
