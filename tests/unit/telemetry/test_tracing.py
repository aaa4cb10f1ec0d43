"""Spans: a batch is linked with its records' traceparent, stages are its children; nothing without a tracer."""

from types import SimpleNamespace
from typing import Any

import pytest

from models.stub import StubClassifier
from streams.batches import SourceMark
from streams.ledger.types import Claim
from streams.pipeline.classify.scored_batches import ScoredBatch
from streams.pipeline.classify.scorer import Scorer
from streams.pipeline.count.cells import CellLayout
from streams.pipeline.count.committer import Committer
from streams.pipeline.ingest.claims import Assigned
from streams.pipeline.ingest.decoding import decode_records
from streams.pipeline.ingest.dedupe import SeenIds
from streams.privacy.user_hashes import UserHashes
from streams.settings import Settings
from streams.telemetry.tracing import Traces
from streams.telemetry.worker import Telemetry
from streams.worker.deps import Deps

trace_sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="needs the extra otel: make setup installs it")
export = pytest.importorskip("opentelemetry.sdk.trace.export")
in_memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")

TRACE, OTHER = "0af7651916cd43dd8448eb211c80319c", "1af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
NOW_MS = 1_790_000_000_000


class Recorded:
    """Traces that end in memory."""

    def __init__(self) -> None:
        self._exporter = in_memory.InMemorySpanExporter()
        provider = trace_sdk.TracerProvider()
        provider.add_span_processor(export.SimpleSpanProcessor(self._exporter))
        self.traces = Traces(provider.get_tracer("test"))

    @property
    def spans(self) -> dict[str, Any]:
        """Ended spans by name."""
        return {one.name.removeprefix("marketpulse."): one for one in self._exporter.get_finished_spans()}


@pytest.fixture
def recorded() -> Recorded:
    """Spans of one test."""
    return Recorded()


def record(offset: int, *headers: tuple[str, bytes]) -> Any:
    """A Kafka record with one event."""
    event = b'{"id":"e%d","market":"BR","text":"bom","occurred_at":%d}' % (offset, NOW_MS)
    return SimpleNamespace(
        partition=0, offset=offset, key=b"", value=event, headers=headers, timestamp=NOW_MS, timestamp_type=1
    )


def traced(trace: str) -> tuple[str, bytes]:
    """The header that a producer sets."""
    return "traceparent", f"00-{trace}-{SPAN}-01".encode()


class Source:
    """Stands for the source: holds every claim."""

    records_per_batch = 100

    def holds(self, _: object) -> bool:
        return True

    def committed(self, _: object) -> None:
        pass

    async def commit_hint(self, _: object) -> None:
        pass


class Ledger:
    """Stands for the ledger: takes every batch."""

    async def commit(self, *_: object) -> tuple[str, str]:
        return "OK", ""


async def work(telemetry: Telemetry, *records: Any) -> ScoredBatch:
    """Decode, classify and commit one batch."""
    claim = Claim(0, 1, "g", 0, SourceMark(), [])
    batch = await decode_records(Assigned(claim, 0, SeenIds(60_000, 1_000), SourceMark()), 0, list(records), telemetry)
    classifier = StubClassifier()
    layout = CellLayout(classifier.info.topics, classifier.info.sentiments, ())
    deps = Deps(
        Settings(classified=False), Ledger(), None, classifier, None, None, layout, UserHashes(b"test"),  # type: ignore[arg-type]
        telemetry=telemetry,
    )  # fmt: skip
    scored = await Scorer(deps, Source()).score(batch)  # type: ignore[arg-type]
    await Committer(deps, Source()).commit(scored)  # type: ignore[arg-type]
    return scored


async def test_no_state_of_a_producers_trace_is_logged(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    """The library logs what it cannot read of a `tracestate`, and a producer may write anything there."""
    await work(Telemetry(recorded.traces), record(0, traced(TRACE), ("tracestate", b"Frau Anna Schmidt, Hauptstr. 5")))
    assert "Anna" not in caplog.text
    assert 1 == len(recorded.spans["batch"].links)


async def test_a_batch_is_linked_with_the_producers_traces(recorded: Recorded) -> None:
    """Each once, and it is the child of none; what does not parse is passed over. Its stages are its children."""
    broken = ("traceparent", b"\xff\x00")
    records = [record(0, traced(TRACE)), record(1, traced(TRACE)), record(2, traced(OTHER)), record(3, broken)]
    await work(Telemetry(recorded.traces), *records, record(4))
    spans = recorded.spans
    batch = spans.pop("batch")
    assert batch.parent is None
    assert [(TRACE, SPAN), (OTHER, SPAN)] == [
        (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}") for link in batch.links
    ]
    assert (0, 0, 5) == tuple(batch.attributes[f"marketpulse.{name}"] for name in ("partition", "start", "end"))
    assert {"decode", "deduplicate", "classify", "aggregate", "commit"} == spans.keys()
    assert {(batch.context.trace_id, batch.context.span_id)} == {
        (one.parent.trace_id, one.parent.span_id) for one in spans.values()
    }


@pytest.mark.parametrize("flags", ["00", "01"])
async def test_one_producer_moves_no_batch_into_its_trace_and_switches_none_off(recorded: Recorded, flags: str) -> None:
    """Whatever its sampled flag says, also where its record is the only one with a trace."""
    header = ("traceparent", f"00-{TRACE}-{SPAN}-{flags}".encode())
    await work(Telemetry(recorded.traces), record(0, header), record(1))
    batch = recorded.spans["batch"]
    assert TRACE != f"{batch.context.trace_id:032x}"
    assert [TRACE] == [f"{link.context.trace_id:032x}" for link in batch.links]


async def test_records_without_a_trace_begin_one(recorded: Recorded) -> None:
    """Most producers know nothing of traces."""
    await work(Telemetry(recorded.traces), record(0))
    assert (None, 0) == (recorded.spans["batch"].parent, len(recorded.spans["batch"].links))


async def test_a_step_is_a_trace_of_its_own(recorded: Recorded) -> None:
    """Its stages are its children; a stage outside of any span makes none."""
    telemetry = Telemetry(recorded.traces)
    with telemetry.stage("cut"):
        pass
    with recorded.traces.step(7), telemetry.stage("publish"):
        pass
    spans = recorded.spans
    assert {"step", "publish"} == spans.keys()
    assert (7, spans["step"].context.span_id) == (
        spans["step"].attributes["marketpulse.step"],
        spans["publish"].parent.span_id,
    )


async def test_without_a_tracer_nothing_happens() -> None:
    """The batch carries no span, and its work is the same."""
    scored = await work(Telemetry(), record(0, traced(TRACE)))
    assert (None, 1) == (scored.batch.span, len(scored.batch.events))


def test_a_span_has_no_text_of_an_exception(recorded: Recorded) -> None:
    """It may quote what a user wrote."""
    with pytest.raises(ValueError, match="max"), recorded.traces.step(1), recorded.traces.stage("count"):
        raise ValueError("could not convert max@example.com")
    for span in recorded.spans.values():
        assert "max@" not in span.to_json()
