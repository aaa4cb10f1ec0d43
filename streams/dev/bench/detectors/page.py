"""The comparison of detectors as Markdown."""

from collections.abc import Iterable

from streams.dev.bench.detectors.report import Report

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def markdown(found: Report) -> str:
    """Tables: all conditions together, each of them, and each language."""
    surge = found.results["surge"]
    overall = _table(
        (
            "detector",
            "variant",
            "false alarms a market-month",
            "95 % limit",
            "delay, times the least",
            "missed",
            "flaps",
        ),
        (
            (
                name.partition("/")[0],
                one.variant or "-",
                f"{one.false_alarms:.2f}",
                f"{one.upper_limit:.2f}",
                f"{one.mean_ratio:.2f}",
                f"{one.missed:.2%}",
                str(one.flaps),
            )
            for name, one in found.results.items()
        ),
    )
    names = list(found.results)
    each = _table(
        ("condition", *(name.partition("/")[0] for name in names), "surge: false alarms", "95 % limit"),
        (
            (
                condition,
                *(f"{found.results[name].rows[at].delay:,.1f}" for name in names),
                f"{surge.rows[at].false_alarms:.2f}",
                f"{surge.rows[at].upper_limit:.2f}",
            )
            for at, condition in enumerate(found.conditions)
        ),
    )
    languages = _table(
        ("language", "recall", "false share", ".2 -> .4 is seen as", "KL, nats", "log(ARL)/KL", "clairvoyant", "surge"),
        (
            (
                name,
                f"{one.recall:.2f}",
                f"{one.false_share:.2f}",
                f"{one.seen[0]:.3f} -> {one.seen[1]:.3f}",
                f"{one.information:.4f}",
                f"{one.bound:.1f}",
                f"{one.clairvoyant:.1f}",
                f"{one.delay:.1f}",
            )
            for name, one in found.languages.items()
        ),
    )
    promised = _table(
        ("promise of surge", "at most", "measured", "holds"),
        (
            (promise.what, f"{promise.most:g}", f"{promise.measured:.2f}", "yes" if promise.holds else "**no**")
            for promise in found.promises
        ),
    )
    clusters = _table(
        ("condition", "market-months", "false alarms a market-month", "95 % limit"),
        (
            (row.condition, f"{row.market_months:.0f}", f"{row.false_alarms:.2f}", f"{row.upper_limit:.2f}")
            for row in found.clusters
        ),
    )
    provisional = _table(
        (
            "condition",
            "whole minutes: false alarms a market-month",
            "delay",
            "running minutes: false alarms",
            "delay",
            "delay at as many false alarms",
        ),
        (
            (
                row.condition,
                f"{row.false_alarms:.2f}",
                f"{row.delay:,.1f}",
                f"{row.running_false_alarms:.2f}",
                f"{row.running_delay:,.1f}",
                f"{row.equal_delay:,.1f}",
            )
            for row in found.provisional.rows
        ),
    )
    return (
        f"{found.market_months:,.0f} market-months, {found.incidents:,} incidents, one at a time.\n\n"
        f"{promised}\n{overall}\n"
        f"Minutes of delay by condition, at the same false alarms over all of them:\n\n{each}\n"
        f"Of {found.bursts:,} bursts (two hours of three-fold volume at the usual share) {found.burst_alarms} fired a "
        f"surge; in the same hours without a burst {found.plain_alarms} did.\n\n"
        f"Where events hang together for longer than a minute, which nothing is promised for:\n\n{clusters}\n"
        f"A minute judged while it runs, after each quarter of it, beside minutes judged when they are over: markets "
        f"without their topics, {found.provisional.market_months:,.0f} market-months. With a threshold of "
        f"{found.provisional.equal_threshold:.2f} in place of {found.provisional.threshold:.2f} running minutes raise "
        f"as many false alarms as whole ones:\n\n{provisional}\n"
        f"By language, at 20 events a minute, rho .02, drift .2, in minutes:\n\n{languages}"
    )


def written(page: str, found: Report) -> str:
    """A page with the part between its marks written anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{markdown(found)}\n{END}{after}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *map(list, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
