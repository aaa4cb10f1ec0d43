"""A scored batch in, its records for `feedback.classified` out."""

from marketpulse.contract.records import ClassifiedRecord
from marketpulse.contract.wire import encode
from models.classifier import ModelInfo
from models.language.tags import language_tag
from streams.pipeline.classify.scored_batches import ScoredBatch
from streams.pipeline.classify.scores import ratings_of, scores
from streams.privacy.user_hashes import UserHashes


def classified_records(scored: ScoredBatch, topic: str, info: ModelInfo, hashes: UserHashes) -> list[tuple[str, bytes]]:
    """(market, value) of each event; `topic` is the source topic's full name."""
    batch = scored.batch
    labels = scored.sentiment.argmax(axis=1).tolist()
    topics = scored.topic.argmax(axis=1).tolist()
    e = scores(scored.sentiment, ratings_of(batch.events)).round(4).tolist()
    sentiments = scored.sentiment.round(4).tolist()  # at once: a call for each row costs more than all else here
    unmeasured = [False] * len(labels) if scored.unmeasured is None else scored.unmeasured.tolist()
    return [
        (
            event.market,
            encode(
                ClassifiedRecord(
                    id=f"{topic}-{record.partition}-{record.offset}",
                    claim=batch.position.claim,
                    market=event.market,
                    occurred_at=event.occurred_ms,
                    label=info.sentiments[labels[at]],
                    topic=info.topics[topics[at]],
                    sentiment=dict(zip(info.sentiments, sentiments[at], strict=True)),
                    score=e[at],
                    model=info.id,
                    user=None if event.user is None else hashes.of(event.user, event.occurred_ms).hex(),
                    user_key=None if event.user is None else hashes.key_id_at(event.occurred_ms),
                    lang=language_tag(event.lang),
                    lang_found=scored.detected[at] or None,
                    unmeasured=unmeasured[at],
                )
            ),
        )
        for at, (event, record) in enumerate(zip(batch.events, batch.records, strict=True))
    ]
