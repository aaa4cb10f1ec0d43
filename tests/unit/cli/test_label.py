"""`label`: what the keys mean, hostile texts, and when it says no; its work is tested on a real Kafka."""

import json

import pytest
from typer.testing import CliRunner

from streams.cli import label
from streams.cli.main import app
from streams.pipeline.operators.labelling import Week
from tests.unit.cli.test_shown_values import ACTING, HOSTILE, SHOWN


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (["n"], "negative"),
        (["u"], "neutral"),
        (["p"], "positive"),
        (["s"], "unclear"),
        (["x", "?", "p"], "positive"),
        (["q"], None),
        (["\x03"], None),
        ([""], None),
    ],
)
def test_a_key_is_an_answer(keys: list[str], answer: str | None) -> None:
    """Any other is asked for again; the end of the input stops."""
    left = iter(keys)
    assert answer == label.asked("ok", 1, 20, False, lambda: next(left))
    assert [] == [*left]


def test_a_hostile_text_acts_on_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Its control characters are shown; as JSON it is one line."""
    label.asked(HOSTILE, 3, 20, False, lambda: "q")
    shown = capsys.readouterr().out
    assert all(value in shown for value in SHOWN)
    assert not ACTING.search(shown)
    label.asked(HOSTILE, 3, 20, True, lambda: "q")
    assert {"number": 3, "of": 20, "text": HOSTILE} == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["BRA"], "BRA is no market code"),
        (["BR", "--week", "2026-48"], "no ISO week"),
        (["BR", "--week", "2999-W01"], "still to come"),
        (["BR", "--count", "0"], "equal to 1"),
    ],
)
def test_what_cannot_be_used_is_refused(arguments: list[str], message: str) -> None:
    """Before anything is read."""
    done = CliRunner().invoke(app, ["label", *arguments])
    assert 0 != done.exit_code
    assert message in f"{done.exception}{done.output}"


@pytest.mark.parametrize("name", ["EXCERPTS", "CLASSIFIED"])
def test_where_no_texts_are_shown_labelling_is_off(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """And says by which setting."""
    monkeypatch.setenv(f"MARKETPULSE_{name}", "false")
    done = CliRunner().invoke(app, ["label", "BR"])
    assert f"labelling is off: MARKETPULSE_{name} is false" in str(done.exception)


@pytest.mark.parametrize(("missing", "code"), [(1, 1), (0, 0)])
def test_the_sum_of_a_week(monkeypatch: pytest.MonkeyPatch, missing: int, code: int) -> None:
    """Value, interval, texts; exit code 1 where there were fewer texts than asked for."""
    week = Week("BR", "2026-W47", 600, 20, 19, 1, 1, missing, 0.7, 0.5, 0.4, 0.6)

    async def done(*_: object) -> Week:
        return week

    monkeypatch.setattr(label, "_round", done)
    run = CliRunner().invoke(app, ["label", "BR"])
    assert code == run.exit_code
    for words in ("20 labelled texts of 600 events", "1 cannot be judged", "1 no longer there", "u 0.500", "0.400 to"):
        assert words in run.output
    assert (missing > 0) == ("fewer than asked for" in run.output)
    as_json = CliRunner().invoke(app, ["label", "BR", "--json"])
    assert {"u": 0.5, "low": 0.4, "high": 0.6, "texts": 20}.items() <= json.loads(as_json.stdout).items()
