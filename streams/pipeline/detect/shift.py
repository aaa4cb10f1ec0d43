"""Shift: a market's u or r moved far enough from where it stood at its last shift, or a surge fired."""

import math
from typing import Any

import msgspec
from msgspec.structs import replace

from streams.contract.rules import ShiftRule


class ShiftState(msgspec.Struct):
    """Where u and r stood at a market's last shift: (value, standard error)."""

    u: tuple[float, float] | None = None
    r: tuple[float, float] | None = None
    at_ms: int = 0


class Standing(msgspec.Struct, frozen=True):
    """A market's 24 h metrics as the shift rule sees them: (value, standard error)."""

    n: int
    u: tuple[float, float]
    r: tuple[float, float] | None


def shift_step(
    state: ShiftState | None, seen: Standing, surged: bool, at_ms: int, rule: ShiftRule = ShiftRule()
) -> tuple[ShiftState, dict[str, Any] | None]:
    """Whether a market shifted: |u - u_then| > .03 and > 3 sqrt(se^2 + se_then^2), the same for r, or a surge fired.

    Returns the new state and the evidence of a shift, or None. The first reference is set silently; so is a surer one
    of r, which would otherwise hide every later move.
    """
    if state is None:
        state = ShiftState()
    if seen.n < rule.ready_events:
        return state, None
    if state.u is None:
        return ShiftState(u=seen.u, r=seen.r, at_ms=at_ms), None
    if state.r is None and seen.r is not None:
        state.r = seen.r
    evidence: dict[str, Any] = {}
    if at_ms - state.at_ms >= rule.cool_down_ms:
        if _moved(seen.u, state.u, rule.u_threshold, rule.sigmas):
            evidence["u"] = {"was": state.u[0], "is": seen.u[0]}
        if seen.r is not None and state.r is not None and _moved(seen.r, state.r, rule.r_threshold, rule.sigmas):
            evidence["r"] = {"was": state.r[0], "is": seen.r[0]}
    if surged:
        evidence["surge"] = {"u_was": state.u[0], "u_is": seen.u[0]}
    if not evidence:
        return _surer(state, seen.r), None
    return ShiftState(u=seen.u, r=seen.r, at_ms=at_ms), evidence


def _surer(state: ShiftState, r: tuple[float, float] | None) -> ShiftState:
    """A reference of r that was less than half as sure as r is now gives way to it."""
    if r is None or state.r is None or 2 * r[1] > state.r[1]:
        return state
    return replace(state, r=r)


def _moved(now: tuple[float, float], then: tuple[float, float], threshold: float, sigmas: float) -> bool:
    distance = abs(now[0] - then[0])
    return distance > threshold and distance > sigmas * math.hypot(now[1], then[1])
