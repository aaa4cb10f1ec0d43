"""One sentence per market: how its spend moved, what in its metrics did it, what it returns, what holds it."""

from marketpulse.contract.allocation import MarketPlan

SEEN = 0.005  # smaller changes of u and r are not worth a word


def sentence(code: str, plan: MarketPlan, before: MarketPlan | None, price: float) -> str:
    """For example `BR: -12 %, u fell from .71 to .48 (n = 3,310), marginal return .80 of the budget's`.

    Args:
        code: of the market.
        plan: its part, without its reason.
        before: its part of the previous plan.
        price: marginal value of budget.
    """
    parts = [f"{code}: {_moved(plan, before)}", _cause(plan, before), _split(plan, before)]
    if price > 0 and plan.spend > 0:
        parts.append(f"marginal return {short(plan.marginal_return / price)} of the budget's")
    if plan.entry > 0:
        parts.append(f"entry costs {plan.entry:,.1f}")
    if plan.likely is not None and plan.change != 0:
        parts.append(f"right with probability {short(plan.likely)}")
    limits = f"; held by {', '.join(plan.binding)}" if plan.binding else ""
    return ", ".join(part for part in parts if part) + limits


def short(value: float) -> str:
    """Two decimals without the leading zero: .48, 1.20, -.05."""
    return f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.2f}"


def _moved(plan: MarketPlan, before: MarketPlan | None) -> str:
    if before is None:
        return f"new, {plan.spend:,.1f}"
    if abs(plan.change) < 0.05:
        return "unchanged"
    if before.spend > 0 and plan.spend > 0:
        return (
            f"{100 * plan.change / before.spend:+.0f} %"
            if abs(plan.change) >= 0.01 * before.spend
            else "nearly as before"
        )
    return f"{plan.change:+,.1f}"


def _split(plan: MarketPlan, before: MarketPlan | None) -> str:
    """What went from promotion to quality or back, where that is more than the spend itself moved."""
    if before is None or plan.promotion + plan.quality <= 0:
        return ""
    promotion, quality = plan.promotion - before.promotion, plan.quality - before.quality
    if promotion * quality >= 0 or min(abs(promotion), abs(quality)) < 0.5:
        return ""
    pairs = (("promotion", before.promotion, plan.promotion), ("quality", before.quality, plan.quality))
    return ", ".join(f"{name} {old:,.1f} to {new:,.1f}" for name, old, new in pairs)


def _cause(plan: MarketPlan, before: MarketPlan | None) -> str:
    events = "" if plan.n is None else f" (n = {plan.n:,})"
    if plan.u is None:
        return ""
    moved = before is not None and before.u is not None and abs(plan.u - before.u) >= SEEN
    if before is not None and before.u is not None and moved:
        verb = "fell" if plan.u < before.u else "rose"
        cause = f"u {verb} from {short(before.u)} to {short(plan.u)}{events}"
    else:
        cause = f"u {short(plan.u)}{events}"
    if before is not None and before.r is not None and plan.r is not None and abs(plan.r - before.r) >= SEEN:
        verb = "fell" if plan.r < before.r else "rose"
        cause += f", r {verb} from {short(before.r)} to {short(plan.r)}"
    if before is not None and before.r is None and plan.r is not None and abs(plan.r) >= SEEN:
        cause += f", r is known now, {short(plan.r)}"  # it counted as 0 until then
    return cause
