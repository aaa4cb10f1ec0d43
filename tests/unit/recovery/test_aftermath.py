"""What topics say beyond the journal: alerts that a lost ledger opened, and those that a reset ended."""

import msgspec
from msgspec.structs import replace

from marketpulse.contract.records import AlertRecord
from streams.recovery.aftermath import Aftermath
from streams.recovery.succession import resolved
from tests.support.alerts import alert


def test_an_alert_that_a_reset_ended_fires_again_in_a_rebuilt_ledger() -> None:
    """Its topic must say so too; what ended in both, what is newer in the ledger and what no topic has stay."""
    firing = alert("surge-BR-1", seq=6)
    ended = replace(firing, seq=7, state="resolved")
    assert [firing] == Aftermath(set(), 7, {firing.id: ended}).revived([firing])
    for known, newest in ((ended, ended), (replace(firing, seq=8), ended), (firing, replace(firing, seq=7))):
        assert [] == Aftermath(set(), 8, {firing.id: newest}).revived([known])
    assert [] == Aftermath(set(), 6, {}).revived([firing])


def test_an_alert_of_a_step_that_is_lost_is_an_orphan() -> None:
    """Those that ended are none."""
    lost = alert("surge-BR-1", seq=9)
    found = Aftermath(set(), 9, {lost.id: lost, "ended": replace(lost, id="ended", state="resolved")})
    assert [lost] == found.orphans(8)
    assert [] == found.orphans(9)


def test_the_end_of_an_alert_does_not_repeat_what_users_wrote() -> None:
    """As an end that the detectors find does not; numbers stay."""
    quoting = alert(evidence={"n": 9, "excerpts": ["quebrado"], "words": ["quebrado"]})
    _, _, content = resolved(quoting, 7, 9, "repaired")
    assert {"n": 9, "cause": "repaired"} == msgspec.json.decode(content, type=AlertRecord).evidence
