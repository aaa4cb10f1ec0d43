"""What a Schema Registry knows of a schema, by HTTP: Confluent's, and those that answer as it does."""

import base64
import binascii
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import aiohttp
import msgspec
import tenacity
from yarl import URL

from marketpulse.contract.decode import Rejected
from marketpulse.errors import OperatorNeeded, Unavailable
from streams.errors import BadInput

MAX_SCHEMA_BYTES = 1_048_576
"""Of a schema with those that it refers to."""
MAX_REFERENCES = 100
TIMEOUT_S = 5.0
TRIES = 3
KINDS = ("AVRO", "JSON", "PROTOBUF")
_NOT_FOUND = frozenset((40401, 40402, 40403))
"""Codes of a registry that knows no such subject, version or schema."""
_LOGIN = (401, 403)


class Schema(NamedTuple):
    """A schema: `kind` AVRO, JSON or PROTOBUF; names and texts of its references, each behind its own references.

    Texts of Protobuf are a FileDescriptorProto in base64.
    """

    kind: str
    text: str
    references: tuple[tuple[str, str], ...] = ()


class _Reference(msgspec.Struct):
    name: str
    subject: str
    version: int


class _Answer(msgspec.Struct):
    schema: str
    id: int = 0
    schema_type: str = msgspec.field(default="AVRO", name="schemaType")
    references: list[_Reference] | None = None


@dataclass(frozen=True)
class Access:
    """Where a registry is, the login of basic authentication, the PEM file of authorities (None: the system's).

    Raises:
        BadInput: it is no URL of a registry.
    """

    url: str
    login: tuple[str, str] | None = None
    ca: Path | None = None

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.query or parts.fragment:
            raise BadInput("--schema-registry is no URL of a registry. Operator action: give http(s)://host:port.")
        if "@" in parts.netloc:
            raise BadInput(
                "--schema-registry has a login, which lists of processes show. Operator action: set "
                "MARKETPULSE_SCHEMA_REGISTRY_USERNAME and _PASSWORD, or _PASSWORD_FILE."
            )
        if self.ca is not None and parts.scheme != "https":
            raise BadInput(
                "MARKETPULSE_SCHEMA_REGISTRY_CA goes with https, and --schema-registry is http. Operator action: "
                "correct the URL, or unset it."
            )


class Registry:
    """Reads schemas; ids never change their schema, so that nothing is asked twice by those who keep them."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._session: aiohttp.ClientSession | None = None

    async def schema(self, schema_id: int) -> Schema:
        """The schema with an id.

        Raises:
            Rejected: the registry does not know it or a reference of it, or it is larger than is read.
            Unavailable: the registry does not answer.
            OperatorNeeded: it refuses this client, or is none.
        """
        path = f"/schemas/ids/{schema_id}"
        found = await self._found(path)
        if found.schema_type not in KINDS:
            raise Rejected("unknown_schema", f"schema {schema_id} is of a kind that is not read")
        if found.schema_type == "JSON":
            return Schema("JSON", "")  # its values are JSON, whatever it says of them
        protobuf = found.schema_type == "PROTOBUF"
        if protobuf:
            found = await self._descriptor(schema_id)
        known: dict[tuple[str, int], tuple[str, str]] = {}
        await self._add(found.references or [], protobuf, known, len(found.schema), set())
        return Schema("PROTOBUF" if protobuf else "AVRO", found.schema, tuple(known.values()))

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _add(
        self,
        references: list[_Reference],
        protobuf: bool,
        known: dict[tuple[str, int], tuple[str, str]],
        held: int,
        asked: set[tuple[str, int]],
    ) -> int:
        """Add what is referred to, what it refers to itself first; bytes of all of them, with those `held` before."""
        for reference in references:
            place = (reference.subject, reference.version)
            if place in asked:
                continue
            asked.add(place)
            subject = quote(reference.subject, safe="")
            found = await self._found(f"/subjects/{subject}/versions/{reference.version}?deleted=true")
            if protobuf:  # by its id: not every registry gives a descriptor by subject
                found = await self._descriptor(found.id)
            held += len(found.schema)
            if held > MAX_SCHEMA_BYTES or len(asked) > MAX_REFERENCES:
                raise Rejected(
                    "unknown_schema",
                    f"a schema has at most {MAX_SCHEMA_BYTES:,} bytes and {MAX_REFERENCES} references, with theirs",
                )
            held = await self._add(found.references or [], protobuf, known, held, asked)
            known[place] = (reference.name, found.schema)
        return held

    async def _descriptor(self, schema_id: int) -> _Answer:
        """A schema of Protobuf as a FileDescriptorProto. Raises OperatorNeeded: the registry gives its text alone."""
        found = await self._found(f"/schemas/ids/{schema_id}?format=serialized")
        try:
            base64.b64decode(found.schema, validate=True)
        except (binascii.Error, ValueError):
            raise OperatorNeeded(
                f"The Schema Registry at {self._access.url} gives schemas of Protobuf as text, also for "
                "`format=serialized`. Operator action: use a registry that gives descriptors, such as Confluent's or "
                "Karapace."
            ) from None
        return found

    async def _found(self, path: str) -> _Answer:
        retrying = tenacity.AsyncRetrying(
            wait=tenacity.wait_exponential_jitter(multiplier=0.2, max=5),
            stop=tenacity.stop_after_attempt(TRIES),
            retry=tenacity.retry_if_exception_type(Unavailable),
            reraise=True,
        )
        return await retrying(self._asked, path)

    async def _asked(self, path: str) -> _Answer:
        status, body = await self._get(path)
        return self._answer(path, status, body)

    async def _get(self, path: str) -> tuple[int, bytes]:
        try:
            async with self._opened().get(
                URL(f"{self._access.url.rstrip('/')}{path}", encoded=True), allow_redirects=False
            ) as answer:
                body = bytearray()
                while len(body) <= 2 * MAX_SCHEMA_BYTES and (part := await answer.content.readany()):
                    body += part
                return answer.status, bytes(body)
        except aiohttp.ClientConnectorCertificateError as error:
            raise OperatorNeeded(
                f"The Schema Registry at {self._access.url} shows a certificate that is not trusted. Operator action: "
                "set MARKETPULSE_SCHEMA_REGISTRY_CA to the authority that signed it, or correct its names or dates."
            ) from error
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise self._away(type(error).__name__) from error

    def _answer(self, path: str, status: int, body: bytes) -> _Answer:
        url = self._access.url
        if status in _LOGIN:
            raise OperatorNeeded(
                f"The Schema Registry at {url} refuses this client (HTTP {status}). Operator action: set "
                "MARKETPULSE_SCHEMA_REGISTRY_USERNAME and _PASSWORD to a login that may read schemas."
            )
        if status == 429 or status >= 500:
            raise self._away(f"HTTP {status}")
        if len(body) > 2 * MAX_SCHEMA_BYTES:
            raise Rejected("unknown_schema", f"a schema has at most {MAX_SCHEMA_BYTES:,} bytes")
        try:
            if status == 404 and msgspec.json.decode(body)["error_code"] in _NOT_FOUND:
                raise Rejected("unknown_schema", f"the Schema Registry knows no {_named(path)}")
            if status == 200:
                found = msgspec.json.decode(body, type=_Answer)
                if len(found.schema) > MAX_SCHEMA_BYTES:
                    raise Rejected("unknown_schema", f"a schema has at most {MAX_SCHEMA_BYTES:,} bytes")
                return found
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
            pass
        raise OperatorNeeded(
            f"{url} does not answer as a Schema Registry (HTTP {status} for {path}). Operator action: correct "
            "--schema-registry; redirects are not followed."
        )

    def _away(self, why: str) -> Unavailable:
        return Unavailable(
            f"The Schema Registry at {self._access.url} does not answer: {why}. Operator action: start it, or correct "
            "--schema-registry; the bridge waits."
        )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            access = self._access
            trusted: Any = True if access.ca is None else ssl.create_default_context(cafile=access.ca)
            headers = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}
            if access.login is not None:
                headers["Authorization"] = f"Basic {base64.b64encode(':'.join(access.login).encode()).decode()}"
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=4, ssl=trusted),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=headers,
                trust_env=False,
                auto_decompress=False,  # an answer of a few kilobytes could unpack to gigabytes
            )
        return self._session


def _named(path: str) -> str:
    """What a path asks for: `schema 7`, `subject crm-value, version 2`."""
    parts = path.partition("?")[0].split("/")
    return f"schema {parts[-1]}" if parts[1] == "schemas" else f"subject {unquote(parts[2])}, version {parts[-1]}"
