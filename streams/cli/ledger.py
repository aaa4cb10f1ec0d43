"""Commands for the ledger and its journal: begin, verify, rebuild, reset, replay."""

import sys
from collections.abc import Callable
from typing import Annotated

import msgspec
import typer

from marketpulse.contract.words import count_of
from streams.cli import output
from streams.cli.output import Json
from streams.cli.progress import Phases, progress
from streams.cli.settings import load_settings, run_async
from streams.errors import BadInput

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DECLINED = 1
ERASED_RETURN = (
    " What feedback holds of erased users is counted again, and their excerpts come back: give `privacy erase` again "
    "for each of them once workers have counted it."
)

ledger_app = typer.Typer(no_args_is_help=True, help="Initialize, verify, rebuild or reset the ledger in Redis.")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(ledger_app, name="ledger", rich_help_panel=output.REPAIR)
    app.command(rich_help_panel=output.REPAIR)(replay)


@ledger_app.command("init")
def ledger_init(
    partitions: Annotated[int, typer.Option(min=1, help="Of the feedback topic, where it is not there yet.")] = 8,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Create topics and an empty ledger for a first start; an existing ledger is left as it is.

    Refuses (exit code 78) if the journal shows that a ledger existed: use `ledger rebuild`.

    ```
    marketpulse ledger init --partitions 16 --yes
    ```
    """
    from streams.dev.embedded.servers import Endpoints
    from streams.recovery.first_start import has_ledger, set_up

    settings = load_settings()
    if run_async(has_ledger(settings.redis, settings.prefix)):
        output.answer({"created": False}, as_json, "there is a ledger already; nothing changed")
        return
    agree(
        f"Creates the missing topics {settings.prefix}.* on {settings.kafka} (feedback with "
        f"{count_of(partitions, 'partition')}) and an empty ledger under {settings.prefix}: in Redis, which counts the "
        "feedback topic from its begin.",
        yes,
    )
    created = run_async(set_up(Endpoints(settings.kafka_servers, settings.redis), settings.prefix, partitions))
    output.answer(
        {"created": created}, as_json, "ledger created" if created else "there is a ledger already; nothing changed"
    )


@ledger_app.command("wait")
def ledger_wait(
    counted: Annotated[
        bool, typer.Option("--counted", help="Wait until workers have counted all that is on the feedback topic now.")
    ] = False,
    seconds: Annotated[float, typer.Option(min=0, help="Give up after N seconds, with exit code 1.")] = 600,
    as_json: Json = False,
) -> None:
    """Block until the ledger exists, or with --counted until what was published is counted. Changes nothing.

    Waits for Redis too. Without --counted: for a worker whose ledger another process makes. With it: after `publish`,
    until metrics, alerts and the allocation that follow from it are published.

    ```
    marketpulse ledger wait --seconds 900
    marketpulse ledger wait --counted
    ```
    """
    from marketpulse.client.reader import Reader
    from streams.dev.run import feedback_ends, wait_until_counted
    from streams.recovery.first_start import wait_for_ledger

    settings = load_settings()
    run_async(wait_for_ledger(settings.redis, settings.prefix, seconds))
    if not counted:
        output.answer({"there": True}, as_json, "there is a ledger")
        return
    ends = run_async(feedback_ends(settings.kafka_servers, settings.prefix))
    with Reader(settings.redis, prefix=settings.prefix) as reader:
        wait_until_counted(reader, ends, seconds)
    records = sum(ends.values())
    output.answer({"there": True, "records": records}, as_json, f"{count_of(records, 'record')} counted")


@ledger_app.command("verify")
def ledger_verify(as_json: Json = False) -> None:
    """Count the feedback topic again, independently, and compare with Redis: exit code 0 equal, 1 different.

    Totals, labels per market and hour of the last 7 days (as `feedback.classified` has them), distinct users (within
    3 %), alerts, offsets. Changes nothing; workers may go on.

    ```
    marketpulse ledger verify --json
    ```
    """
    from streams.recovery.verify import verify

    with Phases() as say:
        report = run_async(verify(load_settings(), say))
    records, keys = count_of(report.records, "record"), count_of(report.compared, "key")
    lines = [f"{records} counted up to step {report.step}, {keys} compared"]
    lines += [f"not compared: {one}" for one in report.left_out]
    lines += [
        f"DIFFERENT {one.key}: counted {_short(one.counted)}, in Redis {_short(one.in_redis)}"
        for one in report.differences
    ]
    lines.append(
        "equal"
        if report.equal
        else f"different: {count_of(report.different, 'key')}. `marketpulse ledger rebuild --whole` counts again."
    )
    output.answer(report, as_json, "\n".join(lines))
    raise typer.Exit(0 if report.equal else 1)


@ledger_app.command("rebuild")
def ledger_rebuild(
    skip_lost: Annotated[
        bool,
        typer.Option(
            "--skip-lost", help="Go on with the first record that is there, where retention or a new topic left a gap."
        ),
    ] = False,
    whole: Annotated[
        bool, typer.Option("--whole", help="Replay all of the journal: its newest checkpoint may hold the damage too.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make the ledger again from the journal and the feedback topic, after Redis was emptied or damaged.

    Replays the steps since the newest checkpoint beside what is there, and puts the result in place at once; workers
    then count the feedback after the last step. Exit code 0 done, 1 declined.

    ```
    marketpulse ledger rebuild
    ```
    """
    from streams.recovery.rebuild import Rebuild, RebuildPlan

    settings = load_settings()
    with Phases() as say:

        def agreed(plan: RebuildPlan) -> bool:
            begin = (
                "the begin of the journal" if plan.checkpoint is None else f"the checkpoint of step {plan.checkpoint}"
            )
            there = (
                "The ledger that is there is replaced; workers restart (exit code 75)."
                if plan.live
                else "There is no ledger now."
            )
            with say.hidden():
                agree(
                    f"Rebuilds the ledger under {settings.prefix}: from {begin} and "
                    f"{count_of(plan.steps, 'step')} up to {plan.last_step}; then workers count "
                    f"{count_of(plan.to_count, 'record')} of feedback. {there}",
                    yes,
                )
            return True

        report = run_async(Rebuild(settings, say, skip_lost, whole).run(agreed))
    assert report is not None
    lines = [
        f"rebuilt up to step {report.last_step} in {report.seconds} s from {count_of(report.steps, 'step')} with "
        f"{count_of(report.events, 'event')}; the next step is {report.next_step}",
        f"left to count: {count_of(report.to_count, 'record')}. Start the workers, then `marketpulse ledger verify`",
    ]
    if report.sent_again or report.alerts_resolved:
        sent, ended = count_of(report.sent_again, "record"), count_of(report.alerts_resolved, "alert")
        lines.append(f"{sent} sent again, {ended} ended")
    if report.lost or report.anew:
        lines.append(f"lost: {count_of(report.lost, 'record')}; begun anew: partitions {report.anew}")
    if report.first_differing_step is not None:
        lines.append(f"the outcomes differ from step {report.first_differing_step} on from those published then")
    output.answer(report, as_json, "\n".join(lines))


@ledger_app.command("reset")
def ledger_reset(
    begin: Annotated[
        str,
        typer.Option("--from", help="`earliest`: count what the topic holds; `latest`: only what comes from now on."),
    ] = "earliest",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Begin anew with an empty ledger: windows, detectors and totals are forgotten, open alerts end.

    The allocation in force stays and step numbers go on. From `earliest`, excerpts of erased users come back as far as
    the topic holds their records: give `privacy erase` again.

    ```
    marketpulse ledger reset --from latest
    ```
    """
    from streams.recovery.reset import ResetPlan, reset

    if begin not in ("earliest", "latest"):
        raise BadInput(f"--from {begin}: give `earliest` or `latest`.")
    settings = load_settings()

    def agreed(plan: ResetPlan) -> bool:
        agree(
            f"Empties the ledger under {settings.prefix}. Forgotten: {count_of(plan.accepted, 'event')}. Ended: "
            f"{count_of(plan.alerts_resolved, 'open alert')}. To count: "
            f"{count_of(plan.to_count, 'record')} of feedback. Workers restart (exit code 75)."
            + (ERASED_RETURN if begin == "earliest" else ""),
            yes,
        )
        return True

    done = run_async(reset(settings, "earliest" if begin == "earliest" else "latest", agreed))
    assert done is not None
    output.answer(
        done, as_json, f"reset; to count: {count_of(done.to_count, 'record')}; the next step is {done.next_step}"
    )


def replay(
    checkpoint: Annotated[bool, typer.Option("--checkpoint", help="From the newest checkpoint on only.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Compare every record with what its topic holds.")] = False,
    as_json: Json = False,
) -> None:
    """Replay the journal: the same metrics, alerts and allocations, and their hash. Exit code 1 where one differs.

    Writes to no topic and no table.

    ```
    marketpulse replay --compare
    ```
    """
    from streams.recovery.replay_report import replay_journal

    with progress("replaying") as update:
        report = run_async(replay_journal(load_settings(), checkpoint, compare, update))
    lines = [
        f"steps {report.first_step} to {report.last_step}: {count_of(report.metrics, 'metrics record')}, "
        f"{count_of(len(report.alerts), 'alert state')}, {count_of(len(report.shifts), 'shift')}, "
        f"{count_of(len(report.allocations), 'allocation')}",
        f"sha256 {report.sha256}",
    ]
    if report.first_differing_step is not None:
        lines.append(f"DIFFERENT from step {report.first_differing_step} on than what was published then")
    if report.differences is not None:
        lines.append(
            f"equal on the topics: {count_of(report.compared or 0, 'record')}; no longer there: {report.aged:,}"
        )
        lines += [
            f"DIFFERENT {one.topic} {one.id} {one.seq}: on the topic {_short(one.on_topic)}, "
            f"replayed {_short(one.replayed)}"
            for one in report.differences
        ]
    output.answer(report, as_json, "\n".join(lines))
    raise typer.Exit(0 if report.same else 1)


def agree(plan: str, yes: bool, ask: Callable[[str], bool] = typer.confirm) -> None:
    """Say what will be done, and ask. Raises BadInput without a terminal and `--yes`, typer.Exit(1) for a no."""
    output.note(plan)
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput(
            "Confirmation required, but stdin is not a terminal; nothing was changed. Operator action: pass --yes."
        )
    if not ask("Continue?"):
        output.note("nothing was changed")
        raise typer.Exit(DECLINED)


def _short(content: object) -> str:
    return "nothing" if content is None else f"{msgspec.json.encode(content).decode():.300}"
