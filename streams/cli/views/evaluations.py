"""Scores of a model as tables: by language and by source."""

from typing import TYPE_CHECKING

from rich.table import Column, Table

from streams.cli import output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.compare import Comparison
    from models.encoder.judge import Interval, Judgement
    from models.encoder.left_out import NeutralShare
    from models.evaluate import Evaluation


def print_evaluation(found: "Evaluation", against: "Comparison | None", sentiments: tuple[str, ...]) -> None:
    """Tables of scores by language and by source, beside a baseline where there is one."""
    console = output.console()
    table = Table(
        "language",
        "n",
        "accuracy",
        "macro-F1",
        "ECE",
        "Brier",
        "unknown",
        *(Column(output.cell(f"true {one}")) for one in sentiments),
    )
    if against is not None:
        table.add_column("baseline")
        table.add_column("difference, 95 %")
    for language, one in found.languages.items():
        cells = [
            language,
            f"{one.n:,}",
            *(f"{value:.3f}" for value in (one.accuracy, one.macro_f1, one.ece, one.brier)),
            "-" if one.unknown is None else f"{one.unknown:.3f}",
        ]
        cells += [" ".join(f"{n:4}" for n in row) for row in one.confusion]
        if against is not None:
            beside = against.languages[language]
            cells += [f"{beside.second:.3f}", f"{beside.difference:+.3f} ({beside.low:+.3f} to {beside.high:+.3f})"]
        table.add_row(*map(output.cell, cells))
    table.caption = (
        f"mean macro-F1 {found.mean_macro_f1:.4f}, topic macro-F1 {found.topic_macro_f1:.4f}, ECE {found.ece:.3f}, "
        f"{found.texts_per_second:,.0f} texts/s; unknown: share of pieces; confusions: answered {', '.join(sentiments)}"
        + (f"; baseline {against.mean.second:.4f}, difference {gap(against)}" if against else "")
    )
    console.print(table)
    sources = Table("source", "n", "accuracy", "macro-F1")
    for name, of_source in found.sources.items():
        sources.add_row(output.cell(name), f"{of_source.n:,}", f"{of_source.accuracy:.3f}", f"{of_source.macro_f1:.3f}")
    if found.sources:
        console.print(sources)
    steps = ", ".join(f"{accuracy:.3f} on the surest {share:.0%}" for share, accuracy in found.abstention)
    console.print(f"accuracy {steps}")


def gap(found: "Comparison") -> str:
    """The difference of the mean macro-F1, and its 95 % interval."""
    return f"{found.mean.difference:+.4f} ({found.mean.low:+.4f} to {found.mean.high:+.4f})"


def print_judgement(found: "Judgement") -> None:
    """Tables of scores on families left out, one by method and family, one of leads."""
    console = output.console()
    table = Table("method", "left out", "n", "macro-F1 (95 %)", "native", "translated", "neutral, answered")
    for method, scores in found.methods.items():
        for family, score in scores.families.items():
            parts = ["-" if part is None else f"{part.value:.3f}" for part in (score.native, score.translated)]
            neutral = f"{score.neutral[0]:.3f}, {score.neutral[1]:.3f}"
            cells = (method, family, f"{score.n:,}", _shown(score.macro_f1), *parts, neutral)
            table.add_row(*map(output.cell, cells))
        means = [("mean", scores.mean), ("mean to choose by", scores.choosing)]
        for name, mean in means:
            if mean is not None:
                table.add_row(*map(output.cell, (method, name, "", _shown(mean))), end_section=mean is means[-1][1])
    console.print(table)
    leads = Table("lead", "family", "difference (95 %)")
    for name, lead in found.leads.items():
        for family, gap_of in [*lead.families.items(), ("mean", lead.mean)]:
            leads.add_row(*map(output.cell, (name, family, _shown(gap_of, "+.3f"))))
    if found.leads:
        console.print(leads)


def print_neutral_shares(found: "Mapping[str, Mapping[str, NeutralShare]]") -> None:
    """A table by method and family: how far the share of neutrals is off, before and after calibration on others."""
    table = Table("method", "left out", "neutral", "answered", "error", "calibrated", "error")
    for method, families in found.items():
        for family, share in families.items():
            values = (share.true, share.answered, share.error, share.calibrated, share.calibrated_error)
            cells = ["-" if value is None else f"{value:.3f}" for value in values]
            table.add_row(*map(output.cell, (method, family, *cells)))
    if found:
        output.console().print(table)


def _shown(interval: "Interval", form: str = ".3f") -> str:
    return f"{interval.value:{form}} ({interval.low:{form}} to {interval.high:{form}})"
