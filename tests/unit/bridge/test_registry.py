"""What a Schema Registry answers, or does not."""

import ssl
from pathlib import Path

import pytest
import trustme

from marketpulse.errors import OperatorNeeded, Unavailable
from streams.bridge import registry as registry_module
from streams.bridge import schemas as schemas_module
from streams.bridge.events import Converter
from streams.bridge.registry import Access, Registry
from streams.bridge.schemas import REFUSED_S, Schemas, require_libraries
from streams.errors import BadInput
from tests.support.framing import framed, read, refusal
from tests.support.schema_registry import SchemaRegistry
from tests.unit.bridge.test_events import record

serde = pytest.importorskip(
    "tests.support.serde",
    reason="needs the extra schemas and confluent-kafka's serializers: make setup installs them",
    exc_type=ImportError,
)


async def test_what_the_registry_does_not_know_is_a_dead_letter(served: SchemaRegistry) -> None:
    """Which is asked for again after a minute."""
    now = [0.0]
    schemas = Schemas(Registry(Access(served.url)), lambda: now[0])
    converter = Converter("c1", schemas=schemas)
    given = record(framed(1, b"\2a"))
    for _ in range(2):
        letter = (await converter.read(given)).letter
        assert letter is not None
        assert ("unknown_schema", "the Schema Registry knows no schema 1") == (letter.code, letter.message)
    assert 1 == len(served.asked)
    assert 1 == served.add("AVRO", '"string"')
    now[0] = REFUSED_S
    assert "a" == await read(schemas, given.value)
    await schemas.close()


async def test_a_reference_that_is_missing_is_named(schemas: Schemas, served: SchemaRegistry) -> None:
    """By subject and version, which may need quotes in a URL."""
    number = served.add("AVRO", '"crm.B"', "main", [{"name": "crm.B", "subject": "a/b c", "version": 3}])
    why = "the Schema Registry knows no subject a/b c, version 3"
    assert ("unknown_schema", why) == await refusal(schemas, framed(number, b""))


async def test_a_registry_that_is_away_is_waited_for(
    schemas: Schemas, served: SchemaRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few tries, then the bridge decides; nothing is kept of it."""
    monkeypatch.setattr(
        registry_module.tenacity, "wait_exponential_jitter", lambda **_: registry_module.tenacity.wait_none()
    )
    value = framed(served.add("AVRO", '"string"'), b"\2a")
    served.script = [503, 429]
    assert "a" == await read(schemas, value)
    served.script = [500] * 3
    with pytest.raises(Unavailable, match="HTTP 500"):
        await schemas.json_of(framed(9, b""))
    gone = Registry(Access("http://127.0.0.1:1"))
    with pytest.raises(Unavailable, match="does not answer: ClientConnector"):
        await gone.schema(1)
    await gone.close()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (401, "refuses this client"),
        (403, "refuses this client"),
        (302, "does not answer as a Schema Registry"),
        (404, "does not answer as a Schema Registry"),
        (b"<html>", "does not answer as a Schema Registry"),
        (b'{"schema": 3}', "does not answer as a Schema Registry"),
        (b'{"schema": "x", "z": ' + b"[" * 50_000, "does not answer as a Schema Registry"),
    ],
)
async def test_what_an_operator_must_correct_ends_the_bridge(
    schemas: Schemas, served: SchemaRegistry, answer: int | bytes, why: str
) -> None:
    """Dead letters of a whole topic would be no help."""
    served.script = [answer]
    with pytest.raises(OperatorNeeded, match=why):
        await schemas.json_of(framed(1, b""))


async def test_a_registry_without_descriptors_is_named(schemas: Schemas, served: SchemaRegistry) -> None:
    """Protobuf as text needs its compiler."""
    number = served.add("PROTOBUF", 'syntax = "proto3"; message A {}')
    with pytest.raises(OperatorNeeded, match="format=serialized"):
        await schemas.json_of(framed(number, b"\0"))


async def test_login_and_authority(tmp_path: Path) -> None:
    """Basic authentication over TLS; an authority that is not known is an operator's matter."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with SchemaRegistry(context) as served:
        number = served.add("AVRO", '"string"')
        known = Registry(Access(served.url, ("ann", "wörd:"), tmp_path / "ca.pem"))
        assert '"string"' == (await known.schema(number)).text
        assert [(f"/schemas/ids/{number}", "Basic YW5uOnfDtnJkOg==")] == served.asked
        await known.close()
        unknown = Registry(Access(served.url))
        with pytest.raises(OperatorNeeded, match="MARKETPULSE_SCHEMA_REGISTRY_CA"):
            await unknown.schema(number)
        await unknown.close()


@pytest.mark.parametrize(
    ("url", "ca", "why"),
    [
        ("registry:8081", None, "no URL"),
        ("ftp://registry", None, "no URL"),
        ("http://registry:x", None, "no URL"),
        ("https://registry/?a=b", None, "no URL"),
        ("https://ann:secret-word@registry", None, "MARKETPULSE_SCHEMA_REGISTRY_USERNAME"),
        ("http://registry", Path("ca.pem"), "goes with https"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, ca: Path | None, why: str) -> None:
    """Without what is secret in it."""
    with pytest.raises(BadInput, match=why) as caught:
        Access(url, None, ca)
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("missing", ["fastavro", "google.protobuf"])
def test_without_the_extra_it_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the start, before a record is read."""
    require_libraries()

    def find(name: str) -> object:
        if name != missing:
            return object()
        if "." in name:
            raise ModuleNotFoundError
        return None

    monkeypatch.setattr(schemas_module, "find_spec", find)
    with pytest.raises(BadInput, match=rf"needs {missing}, .*the extra `schemas`"):
        require_libraries()
