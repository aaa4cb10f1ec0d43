"""Shift: far enough, surely enough, not too soon after the last one."""

from streams.pipeline.detect.shift import ShiftState, Standing, shift_step


def test_a_shift_needs_distance_and_significance() -> None:
    """|u - u_then| > .03 and > 3 sqrt(se^2 + se_then^2), after the cool-down."""
    state, first = shift_step(None, Standing(500, (0.60, 0.01), None), False, 0)
    assert (None, (0.60, 0.01)) == (first, state.u)
    assert shift_step(state, Standing(500, (0.62, 0.001), None), False, 10**7)[1] is None  # too near
    assert shift_step(state, Standing(500, (0.65, 0.02), None), False, 10**7)[1] is None  # not significant
    assert shift_step(state, Standing(500, (0.70, 0.01), None), False, 1_000)[1] is None  # cooling down
    moved, evidence = shift_step(state, Standing(500, (0.70, 0.01), None), False, 10**7)
    assert evidence == {"u": {"was": 0.60, "is": 0.70}}
    assert ShiftState(u=(0.70, 0.01), r=None, at_ms=10**7) == moved


def test_a_surge_is_a_shift_at_once() -> None:
    """A firing surge does not wait for the cool-down."""
    state, _ = shift_step(None, Standing(500, (0.60, 0.01), None), False, 0)
    assert shift_step(state, Standing(500, (0.60, 0.01), None), True, 1)[1] is not None


def test_a_surer_reference_of_r_replaces_an_unsure_one() -> None:
    """Else the error of the first days would hide every later move of r; one of about the same error stays."""
    u = (0.60, 0.01)
    state, _ = shift_step(None, Standing(500, u, (-0.1, 0.15)), False, 0)
    same, _ = shift_step(state, Standing(500, u, (0.02, 0.14)), False, 10**7)
    assert (-0.1, 0.15) == same.r
    surer, evidence = shift_step(same, Standing(500, u, (0.01, 0.003)), False, 2 * 10**7)
    assert ((0.01, 0.003), None) == (surer.r, evidence)
    assert shift_step(surer, Standing(500, u, (0.05, 0.003)), False, 3 * 10**7)[1] == {"r": {"was": 0.01, "is": 0.05}}
