"""Names of what holds a market's spend, beside those that `strategy.bounds` gives its bounds."""

UNHEARD = "nothing heard from its users"
HELD = "too uncertain to move"
SATURATED = "saturated"
