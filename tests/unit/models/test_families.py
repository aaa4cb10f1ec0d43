"""Leave one family out: nothing of it is trained on, and intervals know that translations are no new observations."""

import random
from pathlib import Path

import numpy as np
import pytest

from models.encoder.answers import ANSWERS, read_answers, write_answers
from models.encoder.families import FAMILIES, Fold, family_of, fold_of
from models.encoder.judge import judge
from models.encoder.protocol import Protocol, judgement
from models.errors import BadArtifact
from models.labels import SENTIMENTS
from models.rows import LabelledText
from models.scores import macro_f1

LANGUAGES = ("en", "de", "zh")


def row(source: str, lang: str, number: int, **more: object) -> LabelledText:
    name = f"{source}:{lang}:train:{number}"
    label = SENTIMENTS[number % 3]
    return LabelledText(f"{name} text", label, lang, source=source, id=name, translated=lang != "en", **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def train() -> list[LabelledText]:
    rows = [row("m-absa/food", lang, number) for number in range(60) for lang in LANGUAGES]
    rows += [row("m-absa/sight", lang, 99, weak=True) for lang in LANGUAGES]
    rows += [row("umsab", "en", number) for number in range(300)]
    return rows + [row("other", lang, number) for number in range(40) for lang in LANGUAGES]


@pytest.fixture(scope="module")
def development() -> list[LabelledText]:
    rows = [row("m-absa/hotel", lang, number) for number in range(1_000, 1_010) for lang in LANGUAGES]
    return rows + [row("other", "en", number) for number in range(1_000, 1_020)]


def test_a_family_is_left_out_with_all_its_domains(train: list[LabelledText], development: list[LabelledText]) -> None:
    """Its rows of both files are judged, guessed labels apart; the rest is balanced over family and language."""
    fold = fold_of("M-ABSA", train, development, max_rows=140)
    assert {"m-absa/food": 180, "m-absa/hotel": 30} == counts(one.source for one in fold.judged)
    assert {"umsab/en": 35, "other/en": 35, "other/de": 35, "other/zh": 35} == counts(
        f"{one.source}/{one.lang}" for one in fold.training
    )
    assert {"other": 20} == counts(one.source for one in fold.development)
    assert 70 == len(set(fold.groups.tolist()))
    again = fold_of("M-ABSA", train, development, max_rows=140)
    assert (again.mark, fold.mark) != (fold_of("M-ABSA", train, development, max_rows=141).mark, fold.mark)
    assert again.mark == fold.mark


def counts(names: object) -> dict[str, int]:
    found: dict[str, int] = {}
    for name in names:  # type: ignore[attr-defined]
        found[name] = found.get(name, 0) + 1
    return found


def test_a_text_that_is_judged_is_not_trained_on(train: list[LabelledText]) -> None:
    """The same text in another source would tell the answer."""
    copied = [LabelledText(train[0].text, "negative", "en", source="copies", id="copies:en:train:1")]
    fold = fold_of("M-ABSA", [*train, *copied], copied)
    assert train[0].text in {one.text for one in fold.judged}
    assert "copies" not in {family_of(one) for one in [*fold.training, *fold.development]}


def test_a_part_of_a_family_is_made_of_whole_groups(train: list[LabelledText]) -> None:
    """An original is judged with all of its translations, or with none."""
    judged = fold_of("M-ABSA", train, [], max_judged=50).judged
    assert (48, {3}) == (len(judged), {*counts(one.id.rpartition(":")[2] for one in judged).values()})


def test_unknown_and_empty_families_are_named(train: list[LabelledText]) -> None:
    """With what to do."""
    with pytest.raises(BadArtifact, match=r"no family is called umsab.*UMSAB, M-ABSA"):
        fold_of("umsab", train, [])
    with pytest.raises(BadArtifact, match=r"SmSA: 0 rows to judge.*begin with smsa"):
        fold_of("SmSA", train, [])


def some_answers(fold: Fold, right: float, seed: int) -> np.ndarray:
    """The truth of a share of the parallel groups, a guess for the others, alike for all translations."""
    rng = random.Random(seed)
    of_groups = [rng.randrange(3) if rng.random() > right else -1 for _ in range(int(fold.groups.max()) + 1)]
    guessed = np.array([of_groups[group] for group in fold.groups])
    return np.where(guessed < 0, fold.truth, guessed).astype(np.int64)


def test_scores_are_pooled_and_their_mean_is_over_families(train: list[LabelledText]) -> None:
    """Each family's macro-F1 as models.scores has it; native and translated apart; the mean to choose by."""
    folds = {name: fold_of(name, train, []) for name in ("UMSAB", "M-ABSA")}
    answers = {"ours": {name: some_answers(fold, 0.6, 1) for name, fold in folds.items()}}
    found = judge(folds, answers).methods["ours"]
    expected = {name: macro_f1(fold.truth, answers["ours"][name], range(3)) for name, fold in folds.items()}
    assert expected == pytest.approx({name: one.macro_f1.value for name, one in found.families.items()}, abs=1e-4)
    assert np.mean([*expected.values()]) == pytest.approx(found.mean.value, abs=1e-4)
    assert found.choosing is not None
    assert expected["M-ABSA"] == pytest.approx(found.choosing.value, abs=1e-4)
    fold, native = folds["M-ABSA"], np.array([one.lang == "en" for one in folds["M-ABSA"].judged])
    part = found.families["M-ABSA"].native
    assert part is not None
    apart = macro_f1(fold.truth[native], answers["ours"]["M-ABSA"][native], range(3))
    assert apart == pytest.approx(part.value, abs=1e-4)
    assert found.families["UMSAB"].translated is None
    assert {*LANGUAGES} == {*found.families["M-ABSA"].languages}


def test_translations_that_are_answered_alike_do_not_narrow_an_interval(train: list[LabelledText]) -> None:
    """Three languages of one text weigh as one observation: as wide as on the originals alone."""
    fold = fold_of("M-ABSA", train, [])
    score = judge({"M-ABSA": fold}, {"ours": {"M-ABSA": some_answers(fold, 0.6, 1)}}).methods["ours"].families["M-ABSA"]
    assert score.native is not None
    widths = [one.high - one.low for one in (score.macro_f1, score.native)]
    assert widths[0] == pytest.approx(widths[1], rel=0.1)
    assert (180, 60) == (score.n, score.groups)


def test_a_lead_is_paired_over_the_families_that_both_judged(train: list[LabelledText]) -> None:
    """A method that is right where the other is, and in some more groups, leads surely; a third judged one family."""
    folds = {name: fold_of(name, train, []) for name in ("UMSAB", "M-ABSA")}
    worse = {name: some_answers(fold, 0.5, 1) for name, fold in folds.items()}
    better = {name: np.where(folds[name].groups % 4 == 0, folds[name].truth, worse[name]) for name in folds}
    found = judge(folds, {"better": better, "worse": worse, "third": {"UMSAB": worse["UMSAB"]}})
    lead = found.leads["better > worse"]
    assert {"UMSAB", "M-ABSA"} == {*lead.families}
    assert 0 < lead.mean.low < lead.mean.value < lead.mean.high
    equal = found.leads["worse > third"].mean
    assert (0, 0, 0) == (equal.value, equal.low, equal.high)
    assert {"UMSAB"} == {*found.leads["better > third"].families}


def test_kept_answers_are_judged_only_on_their_own_rows(
    train: list[LabelledText], development: list[LabelledText], tmp_path: Path
) -> None:
    """All methods and families that have answers in the folder; others rows or a cut file are refused."""
    protocol = Protocol(train, development, 100)
    fold = protocol.fold("M-ABSA")
    folder = tmp_path / "M-ABSA" / "ours"
    folder.mkdir(parents=True)
    answers = np.eye(3, dtype=np.float32)[fold.truth]
    write_answers(folder, fold, answers, "plan")
    kept, plan = read_answers(folder, fold)
    assert (True, "plan") == (np.array_equal(kept, answers), plan)
    found = judgement(protocol, tmp_path)
    assert (["ours"], ["M-ABSA"], 1.0) == ([*found.methods], [*found.training], found.methods["ours"].mean.value)
    with pytest.raises(BadArtifact, match="on other rows"):
        judgement(Protocol(train, development, 101), tmp_path)
    (folder / ANSWERS).write_bytes(b"PK")
    with pytest.raises(BadArtifact, match="cannot be read"):
        judgement(protocol, tmp_path)


def test_the_families_that_plans_are_chosen_by_are_families() -> None:
    """And two are kept back for the report."""
    from models.encoder.families import CHOOSING

    assert {"UMSAB", "minibar"} == {*FAMILIES} - {*CHOOSING}
