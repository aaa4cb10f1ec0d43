"""Commands that measure: engine, latency, growth, commit, model, pipeline, money, intake, detectors, labels."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from streams.cli import output
from streams.cli.output import Json
from streams.cli.progress import progress, shown_events
from streams.cli.settings import load_settings
from streams.errors import BadInput

bench_app = typer.Typer(no_args_is_help=True, help="Benchmarks on an embedded stack; ratios within one run.")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(bench_app, name="bench", rich_help_panel=output.DEVELOP)


@bench_app.command("engine")
def bench_engine(
    events: Annotated[int, typer.Option(min=10_000, help="How many a run.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; medians count.")] = 1,
    switches: Annotated[
        bool, typer.Option("--switches", help="In each round also with each costly setting off: five runs, not one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Everything but the model, with default settings, in one worker process: Kafka, decode, count, publish, commit.

    ```
    marketpulse bench engine --events 500000
    marketpulse bench engine --rounds 5 --switches --json
    ```
    """
    from streams.dev.bench.engine import bench_engine as measure

    with shown_events("counting", output.note_json) as say:
        _bench(measure(load_settings(), events, rounds, switches, say), as_json)


@bench_app.command("commit")
def bench_commit(
    events: Annotated[int, typer.Option(min=10_000, help="Events per case.")] = 200_000, as_json: Json = False
) -> None:
    """What a commit costs Redis: its own processor time per event, by size of batch and number of markets.

    ```
    marketpulse bench commit --events 100000
    ```
    """
    from streams.dev.bench.commit import bench_commit as measure

    _bench(measure(events, output.note_json), as_json)


@bench_app.command("classify")
def bench_classify(
    texts: Annotated[int, typer.Option(min=100, help="How many.")] = 4_000,
    rounds: Annotated[int, typer.Option(min=5, help="Alternating rounds.")] = 5,
    device: Annotated[Literal["auto", "cpu", "cuda", "tensorrt"], typer.Option(help="Where the model runs.")] = "auto",
    data: Annotated[Path | None, typer.Option(help="JSONL(.gz) with real texts; default: composed ones.")] = None,
    as_json: Json = False,
) -> None:
    """The classifier against a bare ONNX Runtime loop over the same texts, in turn.

    ```
    marketpulse bench classify --device cuda --texts 20000
    ```
    """
    from models.bench import bench_classify as measure
    from models.onnx import load_onnx_classifier
    from streams.dev.bench.engine import TEXTS_PER_BATCH, bench_texts

    settings = load_settings()
    classifier = load_onnx_classifier(settings.model_folder, device, settings.threads, settings.model_sha256)
    batch = TEXTS_PER_BATCH[classifier.info.device]
    _bench(measure(classifier, bench_texts(texts, data), batch, rounds), as_json)


@bench_app.command("pipeline")
def bench_pipeline(
    texts: Annotated[int, typer.Option(min=500, help="How many.")] = 8_000,
    rounds: Annotated[int, typer.Option(min=1, help="Alternating rounds; medians count.")] = 5,
    data: Annotated[Path | None, typer.Option(help="JSONL(.gz) with real texts; default: composed ones.")] = None,
    as_json: Json = False,
) -> None:
    """The whole worker with the real model against a bare ONNX Runtime loop over the same texts, in turn.

    ```
    marketpulse bench pipeline --rounds 7 --json
    ```
    """
    from streams.dev.bench.engine import bench_pipeline as measure
    from streams.dev.bench.engine import bench_texts

    with shown_events("counting", output.note_json) as say:
        _bench(measure(load_settings(), bench_texts(texts, data), rounds, say), as_json)


@bench_app.command("allocate")
def bench_allocate(
    rounds: Annotated[int, typer.Option(min=3, help="Rounds; the median counts.")] = 15, as_json: Json = False
) -> None:
    """The allocator by number of markets, and against SciPy's SLSQP on the same decisions. Needs no servers.

    ```
    marketpulse bench allocate --json
    ```
    """
    from strategy.bench import bench_allocate as measure

    _bench(measure(rounds), as_json)


@bench_app.command("reallocate")
def bench_reallocate(
    rounds: Annotated[int, typer.Option(min=3, help="Shifts that are measured.")] = 60, as_json: Json = False
) -> None:
    """From a shift's step to its allocation on the topic, through an embedded Kafka and Redis with one worker.

    ```
    marketpulse bench reallocate --rounds 100 --json
    ```
    """
    from streams.dev.bench.reallocate import bench_reallocate as measure

    with shown_events("answering", output.note_json) as say:
        _bench(measure(load_settings(), rounds, say), as_json)


@bench_app.command("intake")
def bench_intake(
    events: Annotated[int, typer.Option(min=1_000, help="Events of a round; one by one it is a twentieth.")] = 50_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; medians count.")] = 5,
    as_json: Json = False,
) -> None:
    """The HTTP intake in batches of 100 and one by one, against the bare producer, on an embedded Kafka.

    ```
    marketpulse bench intake --rounds 3 --json
    ```
    """
    from streams.dev.bench.intake import bench_intake as measure

    with shown_events("posting", output.note_json) as say:
        _bench(measure(load_settings(), events, rounds, say), as_json)


@bench_app.command("latency")
def bench_latency(
    load: Annotated[
        list[float] | None, typer.Option(min=0.01, max=1.0, help="Part of the full rate; again for more.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=5, help="Of each load, after ten that are not measured.")] = 120.0,
    backlog: Annotated[int, typer.Option(min=500, help="Texts at once, to see the full rate.")] = 8_000,
    data: Annotated[Path | None, typer.Option(help="JSONL(.gz) with `text`; default: composed texts.")] = None,
    as_json: Json = False,
) -> None:
    """From a record's append to its step in Redis: default settings, real model, Poisson arrivals, one worker.

    The full rate is that of a backlog in the same run.

    ```
    marketpulse bench latency --load .3 --load .7 --json
    ```
    """
    from streams.dev.bench.latency import bench_latency as measure

    with shown_events("arriving", output.note_json) as say:
        _bench(measure(load_settings(), load or [0.3, 0.7], seconds, backlog, data, say), as_json)


@bench_app.command("growth")
def bench_growth(
    markets: Annotated[
        list[int] | None, typer.Option(min=1, max=249, help="How many; again for more. Default: 10, 100, 249.")
    ] = None,
    events: Annotated[
        list[int] | None, typer.Option(min=10_000, help="How many; again for more. Default: 1 and 3 million.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What more markets and events cost one worker: rate, steps, processor time, memory. A stub is the model.

    ```
    marketpulse bench growth --json
    marketpulse bench growth --markets 10 --markets 249 --events 500000
    ```
    """
    from streams.dev.bench.growth import bench_growth as measure

    with shown_events("counting", output.note_json) as say:
        rows = measure(load_settings(), markets or [10, 100, 249], events or [1_000_000, 3_000_000], say)
    text = "\n".join(", ".join(f"{name} {value}" for name, value in row.items()) for row in rows)
    output.answer(rows, as_json, text)


@bench_app.command("watch")
def bench_watch(
    seeds: Annotated[int, typer.Option(min=1, max=113, help="Markets of each condition that are reported on.")] = 113,
    days: Annotated[int, typer.Option(min=6, max=60, help="Of each simulated market.")] = 20,
    language: Annotated[
        list[str] | None, typer.Option(help="Only this one's noise beside that of all together; again for more.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Markdown file to update in place (its marked section) together with the chart.")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="That share the work.")] = 2,
    keep: Annotated[
        Path | None, typer.Option(help="Folder for parts that are done: the same command goes on from them.")
    ] = None,
    as_json: Json = False,
) -> None:
    """False alarms and delays of the surge detector and others on simulated markets. Needs no servers; long.

    ```
    marketpulse bench watch --write docs/detectors.md
    ```
    """
    from models.manifest import load_manifest
    from streams.contract.rules import Rules
    from streams.dev.bench.detectors.markets import confusions
    from streams.dev.bench.detectors.page import markdown, written
    from streams.dev.bench.detectors.picture import svg
    from streams.dev.bench.detectors.report import REPORTED_ON, TUNED_ON, compare

    settings = load_settings()
    evaluation = load_manifest(settings.model_folder, settings.model_sha256).evaluation
    if evaluation is None:
        raise BadInput(
            "this model's confusion was not measured. Operator action: `marketpulse model export` with rows."
        )
    noise = confusions({name: one.confusion for name, one in evaluation.languages.items()})
    if unknown := sorted(set(language or ()) - noise.keys()):
        raise BadInput(f"--language {unknown[0]}: the model was measured in {', '.join(sorted(noise))}.")
    if language:
        noise = {name: one for name, one in noise.items() if name in {"all", *language}}
    with progress("simulating"):
        found = compare(noise, Rules().surge, TUNED_ON[:seeds], REPORTED_ON[:seeds], days, processes, keep)
    if write is not None:
        write.write_text(written(write.read_text("utf-8"), found), "utf-8")
        write.with_suffix(".svg").write_text(svg(found), "utf-8")
    output.answer(msgspec.to_builtins(found), as_json, markdown(found))


@bench_app.command("bins")
def bench_bins(
    data: Annotated[
        Path, typer.Option(help="Folder with feedback_dev (.jsonl.gz): texts the model was not trained on.")
    ],
    families: Annotated[
        Path | None,
        typer.Option(
            help="Working directory of `marketpulse model families`, for answers of models that never saw a family; "
            "needs feedback_train in the folder of --data."
        ),
    ] = None,
    markets: Annotated[int, typer.Option(min=1, max=1_000, help="Simulated markets of each language.")] = 26,
    incidents: Annotated[int, typer.Option(min=1, max=100, help="In every market, each by itself.")] = 20,
    days: Annotated[int, typer.Option(min=3, max=60, help="Of each simulated market.")] = 8,
    write: Annotated[Path | None, typer.Option(help="Markdown file to update in place (its marked section).")] = None,
    as_json: Json = False,
) -> None:
    """How much sooner surges would be found by P(negative) in bins than by hard labels, with real answers; long.

    ```
    marketpulse bench bins --data ./data --write docs/detectors.md
    ```
    """
    from models.evaluate import labelled
    from models.onnx import load_onnx_classifier
    from streams.dev.bench.bins.answers import classified, kept_answers
    from streams.dev.bench.bins.page import markdown, written
    from streams.dev.bench.bins.report import report

    settings = load_settings()
    development = labelled(data / "feedback_dev.jsonl.gz")
    classifier = load_onnx_classifier(settings.model_folder, "cpu", settings.threads, settings.model_sha256)
    train = labelled(data / "feedback_train.jsonl.gz") if families else []
    kept = dict(kept_answers(families, train, development)) if families else {}
    with progress("simulating"):
        found = report(classified(classifier, development), kept, markets, incidents, days)
    if write is not None:
        write.write_text(written(write.read_text("utf-8"), found), "utf-8")
    output.answer(msgspec.to_builtins(found), as_json, markdown(found))


@bench_app.command("judgement")
def bench_judgement(
    weeks: Annotated[int, typer.Option(min=50, help="Simulated market-weeks.")] = 2_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulation.")] = 1,
    rivals: Annotated[bool, typer.Option(help="Intervals that were refused, too.")] = True,
    write: Annotated[Path | None, typer.Option(help="Markdown file to update in place (its marked section).")] = None,
    as_json: Json = False,
) -> None:
    """How often the intervals of judged shares cover, and how wide they are, on simulated weeks. Needs no servers.

    ```
    marketpulse bench judgement --write docs/judgement.md
    ```
    """
    from streams.dev.bench.judgement.page import markdown, written
    from streams.dev.bench.judgement.study import study
    from streams.dev.bench.judgement.windows import study_windows

    with progress("simulating"):
        rows = study(weeks, seed, rivals) + study_windows(max(weeks // 40, 1), seed)
    if write is not None:
        write.write_text(written(write.read_text("utf-8"), rows), "utf-8")
    output.answer(msgspec.to_builtins(rows), as_json, markdown(rows))


def _bench(result: dict[str, object], as_json: bool) -> None:
    output.answer(result, as_json, "\n".join(f"{name}: {value}" for name, value in result.items()))
