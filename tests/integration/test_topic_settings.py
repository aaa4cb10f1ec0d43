"""Topics whose records the broker dates: as they are made, and where somebody set them otherwise."""

import asyncio
import contextlib

import pytest
from pydantic import SecretStr

from marketpulse.contract.topics import topic_name
from marketpulse.errors import TopicMissing
from streams.dev.embedded.servers import EmbeddedStack
from streams.kafka.admin import create_topics, producers_set_times
from streams.pipeline.ingest.topic_settings import DATED_BY_KAFKA, times_of_producers
from streams.settings import load_settings
from tests.support.clients import set_topic
from tests.support.waiting import until_async


@pytest.mark.parametrize("name", DATED_BY_KAFKA)
def test_a_topic_with_the_producers_times_is_named(stack: EmbeddedStack, prefix: str, name: str) -> None:
    """Feedback, and silences, whose 90 days begin when they were written: `topics create` has the broker date both."""
    servers = str(stack.endpoints.kafka)
    settings = load_settings(prefix=prefix, kafka=servers, redis_url=SecretStr(stack.endpoints.redis))
    topic = topic_name(prefix, name)

    def reach(by_producers: bool) -> None:
        """A broker learns a little later what was made or changed."""

        async def reached() -> bool:
            with contextlib.suppress(TopicMissing):
                return by_producers == await producers_set_times(settings.kafka_servers, topic)
            return False

        asyncio.run(until_async(reached))

    asyncio.run(create_topics(servers, prefix))
    reach(False)
    assert "" == asyncio.run(times_of_producers(settings))
    set_topic(servers, topic, {"message.timestamp.type": "CreateTime"})
    reach(True)
    assert [] == asyncio.run(create_topics(servers, prefix))  # what is there stays as its operator set it
    found = asyncio.run(times_of_producers(settings))
    assert (True, True) == (found.startswith(f"{topic} keeps"), "set message.timestamp.type=LogAppendTime" in found)
