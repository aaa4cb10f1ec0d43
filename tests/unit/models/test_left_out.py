"""Calibration on families left out: class shares are right on sources that no model saw."""

import json
from pathlib import Path

import numpy as np
import pytest

from models.calibrate import LEAST_ROWS, fit_calibration
from models.calibration import Calibration, apply_calibration, combined
from models.card import CARD
from models.encoder.answers import write_answers
from models.encoder.left_out import LeftOut, fit_left_out, left_out, neutral_shares
from models.encoder.protocol import Protocol
from models.errors import BadArtifact
from models.finish import finish
from models.manifest import load_manifest
from models.rows import LabelledText


def answered(seed: int, rows: int, shares: tuple[float, float, float], lean: float = -0.8) -> LeftOut:
    """A family in which neutral is answered too seldom, by logits."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(3, rows, p=shares)
    logits = rng.normal(size=(rows, 3)) + 1.5 * np.eye(3)[truth] + np.array([0.0, lean, 0.0])
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return LeftOut(probabilities.astype(np.float32), truth, ("en",) * rows)


FAMILIES = {"SmSA": answered(1, 4_000, (0.3, 0.2, 0.5)), "UMSAB": answered(2, 1_000, (0.3, 0.3, 0.4)),
            "M-ABSA": answered(3, 2_000, (0.25, 0.25, 0.5))}  # fmt: skip


def test_neutral_is_met_in_a_family_that_the_calibration_did_not_see() -> None:
    """What the others lack, it lacks too."""
    found = neutral_shares(FAMILIES)
    assert list(FAMILIES) == list(found)
    for share in found.values():
        assert share.error > 0.05
        assert share.calibrated_error is not None
        assert share.calibrated_error < share.error / 2


def test_a_family_alone_says_nothing_of_another_calibration() -> None:
    """Judged by itself, any would look right."""
    [share] = neutral_shares({"SmSA": FAMILIES["SmSA"]}).values()
    assert (None, None) == (share.calibrated, share.calibrated_error)


def test_families_weigh_alike_whatever_their_sizes() -> None:
    """Twice the rows of one family change nothing; without weights they would."""
    twice = {name: _repeated(part, 5 if name == "SmSA" else 1) for name, part in FAMILIES.items()}
    assert fit_left_out(FAMILIES)[""].biases == pytest.approx(fit_left_out(twice)[""].biases, abs=0.02)


def _repeated(part: LeftOut, times: int) -> LeftOut:
    rows = np.tile(np.arange(len(part.truth)), times)
    return LeftOut(part.probabilities[rows], part.truth[rows], part.languages * times)


def test_languages_have_their_own_from_enough_rows() -> None:
    """Others take the common one."""
    few = LeftOut(FAMILIES["SmSA"].probabilities, FAMILIES["SmSA"].truth, ("id",) * 3_950 + ("eo",) * 50)
    assert LEAST_ROWS > 50
    assert {"", "id"} == set(fit_left_out({"SmSA": few}))


def test_without_any_family_there_is_nothing_to_fit() -> None:
    """With what to do."""
    with pytest.raises(BadArtifact, match="Operator action"):
        fit_left_out({})


def test_one_calibration_after_another_is_one() -> None:
    """Of each language, and of those that one of them alone knows."""
    part = FAMILIES["UMSAB"]
    first = {"": Calibration((0.3, -0.1, -0.2), 2.0), "en": Calibration((0.1, 0.2, -0.3), 3.0)}
    second = {"": Calibration((-0.2, 0.4, -0.2), 0.7), "de": Calibration((0.0, 0.1, -0.1), 1.5)}
    together = combined(first, second)
    assert {"", "de", "en"} == set(together)
    for language in ("", "de", "en", "fr"):
        spoken = [language] * len(part.truth)
        in_turn = apply_calibration(apply_calibration(part.probabilities, spoken, first), spoken, second)
        np.testing.assert_allclose(in_turn, apply_calibration(part.probabilities, spoken, together), atol=1e-3)


def test_rows_may_weigh_more_than_others() -> None:
    """A row of weight 2 is that row twice."""
    part = FAMILIES["UMSAB"]
    weights = np.where(np.arange(len(part.truth)) < 300, 2.0, 1.0)
    rows = np.repeat(np.arange(len(part.truth)), weights.astype(int))
    weighed = fit_calibration(part.probabilities, part.truth, part.languages, weights)
    repeated = fit_calibration(part.probabilities[rows], part.truth[rows], ["en"] * len(rows))
    for name, one in repeated.items():
        np.testing.assert_allclose(one.biases, weighed[name].biases, atol=1e-3)
        assert one.temperature == pytest.approx(weighed[name].temperature, abs=1e-3)


def test_kept_answers_of_a_method_are_read_by_family(tmp_path: Path) -> None:
    """Those that are there, with their labels and languages."""
    rows = [LabelledText(f"{source} {at}", ("negative", "neutral")[at % 2], "pt-BR", source=source)
            for source in ("smsa", "umsab") for at in range(6)]  # fmt: skip
    protocol = Protocol(rows, [])
    fold = protocol.fold("SmSA")
    folder = tmp_path / "SmSA" / "today"
    folder.mkdir(parents=True)
    write_answers(folder, fold, np.full((6, 3), 1 / 3, np.float32), "plan")
    assert {} == left_out(protocol, tmp_path, "svc")
    [(family, found)] = left_out(protocol, tmp_path, "today").items()
    assert ("SmSA", ("pt",) * 6, fold.truth.tolist()) == (family, found.languages, found.truth.tolist())


def test_a_finished_folder_is_calibrated_by_both(folder: Path, tmp_path: Path) -> None:
    """First as its development set asks for, then as families left out do; the card says so."""
    rows = tmp_path / "rows.jsonl"
    texts = [("bad", "negative"), ("good", "positive"), ("a box", "neutral")] * 40
    rows.write_text("\n".join(json.dumps({"text": text, "label": label, "lang": "en"}) for text, label in texts))
    finish(folder, rows, rows)
    own = load_manifest(folder).calibration
    assert "left out" not in (folder / CARD).read_text("utf-8")
    correction = {"": Calibration((0.2, 0.1, -0.3), 1.5)}
    finish(folder, rows, rows, left_out=correction)
    assert combined(own, correction) == load_manifest(folder).calibration
    assert "corrected by answers on sources left out" in (folder / CARD).read_text("utf-8")
