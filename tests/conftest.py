"""Fixtures: one real Kafka and Redis for the whole session, a prefix of its own for every test."""

import uuid
from collections.abc import Iterator
from itertools import chain

import pytest
from hypothesis import HealthCheck, settings

from streams.dev.embedded.servers import EmbeddedStack

# How fast a busy machine draws or runs an example is no property of the product. The same code gets the same examples,
# so a red run is a fault of the change; new ones are drawn with `--hypothesis-profile exploring`.
settings.register_profile("exploring", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeatable", settings.get_profile("exploring"), derandomize=True)
settings.load_profile("repeatable")
pytest.register_assert_rewrite("tests.support")  # their asserts show values, as those of tests do


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tests that share what a fixture of their module made stay together where several processes run tests."""
    definitions = chain.from_iterable(item._fixtureinfo.name2fixturedefs.values())  # type: ignore[attr-defined]
    if any(one.scope == "module" for one in definitions):
        item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.fixture(scope="session")
def stack() -> Iterator[EmbeddedStack]:
    """A running embedded stack; tests that kill servers start their own."""
    with EmbeddedStack() as running:
        yield running


@pytest.fixture
def prefix() -> str:
    """A prefix that no other test uses."""
    return f"t{uuid.uuid4().hex[:12]}"
