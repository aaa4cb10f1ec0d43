"""Redis's refusals are told apart: wait, wait for memory, or stop."""

import pytest
from redis import exceptions

from marketpulse.client.redis_server import refused_before_writing, translated_errors
from marketpulse.errors import LedgerFull, OperatorNeeded, Unavailable

BUSY = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."

IN_A_SCRIPT = "Error running script (call to f_dde2): @user_script:39: @user_script: 39: -{} as Redis 6 says it."


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (exceptions.ConnectionError("reset"), Unavailable),
        (exceptions.TimeoutError("late"), Unavailable),
        (exceptions.BusyLoadingError("loading"), Unavailable),
        (exceptions.ReadOnlyError("replica"), Unavailable),
        (exceptions.ResponseError(BUSY), Unavailable),
        (exceptions.ResponseError(f"Command # 1 (HGET a b) of pipeline caused error: ('{BUSY}',)"), Unavailable),
        (exceptions.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"), Unavailable),
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."), Unavailable),
        (exceptions.OutOfMemoryError("memory"), LedgerFull),
        (exceptions.ResponseError(IN_A_SCRIPT.format("OOM command not allowed")), LedgerFull),
        (exceptions.ResponseError(IN_A_SCRIPT.format("READONLY You can't write")), Unavailable),
        (exceptions.ResponseError(IN_A_SCRIPT.format("MISCONF Redis is configured")), Unavailable),
        (exceptions.ResponseError("a market called TOO-BUSY or BUSYKEY Target key name"), exceptions.ResponseError),
        (exceptions.AuthenticationError("NOAUTH"), OperatorNeeded),
        (exceptions.NoPermissionError("NOPERM"), OperatorNeeded),
        (exceptions.ResponseError("WRONGTYPE Operation against a key"), exceptions.ResponseError),
    ],
)
def test_every_refusal_has_its_error(error: Exception, expected: type[Exception]) -> None:
    """Retriable where Redis comes back by itself, an operator's where it does not, a defect where it is one."""
    with pytest.raises(expected) as caught, translated_errors("redis://:secret@host/0"):
        raise error
    assert expected is type(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (exceptions.OutOfMemoryError("memory"), True),
        (exceptions.ReadOnlyError("replica"), True),
        (exceptions.ResponseError(BUSY), True),
        (exceptions.ResponseError(IN_A_SCRIPT.format("OOM command not allowed")), True),
        (exceptions.NoPermissionError("ACL failure in script: no permissions to run the 'rpush' command"), False),
        (exceptions.ResponseError("user_script:42: attempt to index a nil value"), False),
    ],
)
def test_a_script_that_was_refused_is_not_broken(error: exceptions.ResponseError, expected: bool) -> None:
    """What Redis refuses before the first write may be tried again; a script that fails later may not."""
    assert expected == refused_before_writing(error)
