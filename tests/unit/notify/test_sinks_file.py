"""The sinks file: all its problems at once, no secret in any of them."""

from pathlib import Path

import pytest

from streams.errors import BadInput
from streams.notify.sinks_file import SinksFile, load_sinks
from tests.support.alerts import alert

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ENVIRONMENT = {"DESK_SECRET": SECRET, "CHAT_URL": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"}
SHIPPED = Path(__file__).parents[3] / "deploy" / "sinks.toml"


def loaded(tmp_path: Path, text: str, **environment: str) -> SinksFile:
    (tmp_path / "sinks.toml").write_text(text, "utf-8")
    return load_sinks(tmp_path / "sinks.toml", environment)


def problems(tmp_path: Path, text: str, **environment: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        loaded(tmp_path, text, **environment)
    return [line.strip() for line in str(caught.value).splitlines()[1:-1]]


def test_the_shipped_example_can_be_used() -> None:
    """Three sinks of three kinds, secrets from the environment and in no repr."""
    file = load_sinks(SHIPPED, ENVIRONMENT)
    assert ["alertmanager", "webhook", "apprise"] == [one.kind for one in file.sinks]
    assert (SECRET,) == file.sinks[1].secrets
    assert [] == [secret for secret in ENVIRONMENT.values() if secret in repr(file)]


def test_a_sink_is_told_of_what_its_table_asks_for() -> None:
    """By kind, market and least severity."""
    _, desk, chat = load_sinks(SHIPPED, ENVIRONMENT).sinks
    surge = alert()
    elsewhere = alert(market="FR")
    recovery = alert(kind="recovery", market="DE")
    assert [True, False, True] == [desk.wants(one) for one in (surge, elsewhere, recovery)]
    assert [True, True, False] == [chat.wants(one) for one in (surge, elsewhere, recovery)]


def test_every_problem_is_named_at_once(tmp_path: Path) -> None:
    """With what is allowed there, and what was nearly meant."""
    text = """
    hots = ["a.example.com"]
    hosts = ["hooks.example.com", "10.0.0.1"]
    [sink.one]
    kind = "webhook"
    url = "http://hooks.example.com/x"
    secrets = ["whsec_plain"]
    burts = 3
    timeout = "5m"
    [sink.two]
    kind = "alertmanager"
    url = "https://user:pw@elsewhere.example.com/secret-path"
    token = "${MISSING}"
    severity = "high"
    [sink.three]
    kind = "alertmanager"
    url = "https://10.0.0.1/"
    [sink.short]
    kind = "alertmanager"
    url = "https://127.1/"
    [sink.Four]
    kind = "pager"
    [sink.five]
    kind = "apprise"
    markets = ["BR", "XX"]
    """
    found = problems(tmp_path, text)
    assert found == [
        "hots: no such key; did you mean hosts?",
        "[sink.one] secrets: must be a list of one or two references, as in [\"${SECRET}\"], each whsec_ and base64 of "
        "24 to 64 bytes",
        "[sink.one] burts: no such key of webhook; did you mean burst?",
        '[sink.one] timeout: must be a duration in quotes from "1s" to "30s", as in "30s"',
        "[sink.one] url: must begin with https://; http:// is for private_hosts only",
        "[sink.two] token: the environment variable MISSING is not set",
        "[sink.two] severity: must be one of info, warning, critical",
        "[sink.two] url: host elsewhere.example.com is not named in hosts or private_hosts",
        "[sink.two] url: must hold no user name or password: give Alertmanager's token in `token`",
        "[sink.three] url: 10.0.0.1 is a private address: name it in private_hosts if it is meant",
        "[sink.short] url: host 127.1 is no address: write all four numbers of it",
        "[sink.Four]: a name is 1 to 32 of a-z, 0-9, _ and -, a letter first",
        "[sink.Four] kind: must be one of alertmanager, apprise, webhook",
        '[sink.five] markets: must be a list of market codes, as in ["BR", "*"]',
        "[sink.five] url: is needed, a text in quotes",
    ]  # fmt: skip
    assert not [one for one in found if "secret-path" in one or "pw@" in one]


def test_of_many_problems_the_first_are_named(tmp_path: Path) -> None:
    """So that a file that is another one is not answered with megabytes."""
    found = problems(tmp_path, "".join(f"key_{number}{'x' * 1_000} = 1\n" for number in range(2_000)))
    assert (51, "and 1,951 more") == (len(found), found[-1])
    assert max(map(len, found)) < 500


def test_a_secret_that_is_none_is_named_and_not_shown(tmp_path: Path) -> None:
    """The reference is said, its value is not."""
    text = '[sink.a]\nkind = "webhook"\nurl = "https://h/"\nsecrets = ["${S}"]\n'
    [weak, _] = problems(tmp_path, text, S="hunter2")
    assert "[sink.a] secrets: ${S} must be whsec_ and the base64 of 24 to 64 bytes" == weak


def test_a_url_may_be_a_secret(tmp_path: Path) -> None:
    """Its host is judged all the same, and nothing but the host is said."""
    text = 'private_hosts = ["am"]\n[sink.a]\nkind = "alertmanager"\nurl = "${U}"\n'
    assert "http://am:9093/token" == loaded(tmp_path, text, U="http://am:9093/token").sinks[0].url
    assert ["[sink.a] url: host other is not named in hosts or private_hosts"] == problems(
        tmp_path, text, U="https://other/token"
    )


def test_no_file_and_no_sink_are_said(tmp_path: Path) -> None:
    """What to do about it too."""
    with pytest.raises(BadInput, match="MARKETPULSE_SINKS"):
        load_sinks(None, {})
    with pytest.raises(BadInput, match="cannot be read"):
        load_sinks(tmp_path / "none.toml", {})
    assert ['sink: 1 to 50 tables are needed, as in [sink.chat] kind = "apprise"'] == problems(tmp_path, "")


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    """Of a reference, as orchestrators mount it; one that cannot be read is named."""
    text = """
    hosts = ["hooks.example.com"]
    [sink.one]
    kind = "webhook"
    url = "https://hooks.example.com/x"
    secrets = ["${DESK_SECRET}"]
    """
    path = str(tmp_path / "secret")
    [why] = problems(tmp_path, text, DESK_SECRET_FILE=path)
    assert f"[sink.one] secrets: DESK_SECRET {path}, which DESK_SECRET_FILE names, cannot be read" in why
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    assert (SECRET,) == loaded(tmp_path, text, DESK_SECRET_FILE=path).sinks[0].secrets
    [why] = problems(tmp_path, text, DESK_SECRET_FILE=path, DESK_SECRET=SECRET)
    assert "is given twice" in why
