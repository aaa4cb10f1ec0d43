"""All settings of a process: parsed once from the environment, frozen, every problem reported at once."""

import os
from collections.abc import Mapping
from importlib import metadata
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import AwareDatetime, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from marketpulse.client.kafka_servers import KafkaServers, Mechanism, Protocol
from marketpulse.client.redis_url import folded_url
from marketpulse.contract.units import MINUTE_MS
from streams import setting_checks as checks
from streams.environment import ENV_FILE, PREFIX, environment_of, secret_of, unknown_names
from streams.errors import SettingsError
from streams.kafka.groups import check_prefix
from streams.privacy.user_hashes import UserHashes
from streams.privacy.visible import visible
from streams.setting_checks import PUBLIC_KEY

_ARTIFACTS = Path(__file__).parent.parent / "models" / "artifacts"
SHIPPED_MODEL, LARGER_MODEL = _ARTIFACTS / "marketpulse-small", _ARTIFACTS / "marketpulse-base"
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


def default_model(device: str) -> Path:
    """The larger model where it is there (`make base-model`) and a GPU runs it, else the small one."""
    gpu = device != "cpu" and LARGER_MODEL.joinpath("manifest.json").exists()
    if gpu and device == "auto":
        gpu = NVIDIA_DRIVER.exists() and any(metadata.distributions(name="onnxruntime-gpu"))
    return LARGER_MODEL if gpu else SHIPPED_MODEL


class Settings(BaseSettings):
    """Every setting is the environment variable MARKETPULSE_<NAME>; `load_settings` reads secrets from files too."""

    model_config = SettingsConfigDict(
        env_prefix="MARKETPULSE_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    prefix: str = Field("marketpulse", pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")
    """Prefix of topics, consumer groups and Redis keys: one product. No `.analyst`, `.bridge`, `.notify`, `.reader`."""
    kafka: str = "127.0.0.1:9092"
    """Kafka's bootstrap servers, `host:port,host:port`."""
    kafka_security_protocol: Protocol = "PLAINTEXT"
    """Security protocol of the Kafka listener: SSL means TLS, SASL_* adds authentication."""
    kafka_sasl_mechanism: Mechanism = "SCRAM-SHA-512"
    """How a login is proved, with a protocol that begins with SASL."""
    kafka_username: str | None = None
    """User name for SASL authentication."""
    kafka_password: SecretStr | None = Field(None, validate_default=True)
    """Its password."""
    kafka_ca: Path | None = None
    """PEM file of the authorities that may have signed Kafka's certificates; the system's when not given."""
    kafka_certificate: Path | None = None
    """PEM file of this client's own certificate, where Kafka asks for one."""
    kafka_key: Path | None = Field(None, validate_default=True)
    """PEM file of the key of this client's certificate; not needed where the certificate's file holds it too."""
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """Redis (6.2 or later) or Valkey; one primary. `rediss://` is TLS; user and password may stand in it."""
    redis_username: str | None = None
    """Redis user (of its ACL), apart from the URL; the default user when not given."""
    redis_password: SecretStr | None = Field(None, validate_default=True)
    """Its password, apart from the URL."""
    redis_ca: Path | None = None
    """PEM file of the authorities that may have signed Redis's certificate; the system's when not given."""
    redis_certificate: Path | None = None
    """PEM file of this client's own certificate, where Redis asks for one."""
    redis_key: Path | None = Field(None, validate_default=True)
    """PEM file of the key of this client's certificate; not needed where the certificate's file holds it too."""
    schema_registry_username: str | None = None
    """User of the Schema Registry that `marketpulse bridge --schema-registry` names (basic authentication)."""
    schema_registry_password: SecretStr | None = Field(None, validate_default=True)
    """Its password."""
    schema_registry_ca: Path | None = None
    """PEM file of the authorities that may have signed its certificate; the system's when not given."""
    user_hash_key: SecretStr = SecretStr(PUBLIC_KEY)
    """Key of the hash that replaces user ids, 16 bytes or more; not needed where Kafka and Redis are on loopback."""
    user_hash_key_before: SecretStr | None = None
    """The key before it, while the key is being changed."""
    user_hash_key_since: AwareDatetime | None = Field(None, validate_default=True)
    """From which event time on the new key is used: a whole hour that is still to come when workers start with it."""

    model: Literal["onnx", "stub"] = "onnx"
    """`stub` classifies by a pure function of the text: for engine benchmarks and fault tests only."""
    device: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    """Where the model runs; an explicit device that is not there is an error at start."""
    model_folder: Path = Field(default_factory=lambda given: default_model(given.get("device", "auto")))
    """Folder of the model: `marketpulse-base` on a GPU where `make base-model` made it, else `marketpulse-small`."""
    model_sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$")
    """SHA-256 that `manifest.json` in the model's folder must have, in hexadecimal; any when not given."""
    candidate_folder: Path | None = None
    """A second model that classifies the same events in shadow: only its agreement is published."""
    threads: int = Field(0, ge=0, le=256)
    """Threads of ONNX Runtime; 0 = all cores."""

    cache_texts: int = Field(20_000, ge=0, le=1_000_000)
    """Texts whose answers a worker remembers, since real feedback repeats; 0 = none."""
    classified: bool = True
    """Publish what the model said of each event to `feedback.classified`."""
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "zstd"
    """Of what workers send to Kafka; whoever reads `feedback.classified` or `market.*` has to know this codec."""
    excerpts: bool = True
    """Keep up to three redacted texts per market and step as evidence; false also forgets those kept before."""
    batch_records: int = Field(4000, ge=1, le=4000)
    """Most records in one partition batch."""
    batch_target_seconds: float = Field(0.25, gt=0, le=10)
    """A slow model gets smaller batches, so that one takes about this long."""
    session_timeout_seconds: float = Field(8.0, ge=1, le=300)
    """Kafka consumer group session time-out: how long a dead worker keeps its partitions."""
    instance: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]{1,249}$")
    """Name of this worker alone, as a static member of the consumer group: it keeps its partitions over a restart."""
    claim_timeout_seconds: float = Field(60.0, gt=0)
    """How long a partition's claim is tried before the process ends with exit code 75."""
    dedupe_minutes: float = Field(15.0, ge=0, le=1440)
    """Record time within which an event id counts once per partition."""
    dedupe_capacity: int = Field(1_000_000, ge=1000)
    """Most ids remembered per partition; at the cap the oldest go."""

    step_seconds: float = Field(1.0, gt=0, le=60)
    """Time between roll-up steps while there is something new."""
    idle_step_seconds: float = Field(10.0, gt=0, le=600)
    """Time between roll-up steps while there is nothing new."""
    lease_seconds: float = Field(5.0, gt=0.5, le=60)
    """Time to live of the roll-up lease."""
    checkpoint_minutes: float = Field(60.0, gt=0, le=1440)
    """Time between checkpoints in the journal: from the newest one a lost ledger is rebuilt."""
    idle_partition_seconds: float = Field(30.0, gt=0)
    """A partition without records for so long does not hold stream time back."""
    health_port: int | None = Field(None, ge=0, le=65535)
    """Port of probes and `/metrics`, not that of page or intake itself; none without it; 0 = any free one."""
    health_host: str = "127.0.0.1"
    """Address the probes listen on; `0.0.0.0` in a container."""
    stall_seconds: float = Field(120.0, ge=5, le=3600)
    """Watchdog timeout: a worker without progress for this long, while Kafka and Redis respond, exits with code 75."""
    drain_seconds: float = Field(10.0, ge=0, le=300)
    """Grace period after SIGTERM for in-flight batches; the rest is read again by other workers."""
    page_token: SecretStr | None = Field(None, min_length=16)
    """What opens the live page, in its login form or as `Authorization: Bearer`; none = it listens on loopback only."""
    page_secure_cookie: bool = False
    """The page is reached by https alone, also where no trusted proxy says so: Secure cookies and HSTS."""
    forwarded_allow: str = "127.0.0.1,::1"
    """Addresses and CIDRs of the proxies before page and intake whose `X-Forwarded-For` and `-Proto` are believed."""
    intake_tokens: SecretStr | None = None
    """Bearer tokens that may post events, `token` or `name:token`, with commas between them; none = loopback only."""
    intake_mappings: str | None = None
    """Mappings for bodies by the name of a token, `helpdesk=zendesk market=BR`, with commas between; none = events."""
    intake_max_bytes: int = Field(1_048_576, ge=1_024, le=16_777_216)
    """Longest body of a request to the intake; a longer one is answered 413."""
    intake_max_events: int = Field(1_000, ge=1, le=10_000)
    """Most events in one request to the intake; more are answered 413."""
    intake_max_requests: int = Field(64, ge=1, le=4_096)
    """Requests that the intake works on at once; one more is answered 429."""
    intake_events_per_second: float = Field(10_000, ge=0, le=10_000_000)
    """Events a second that one token may post to one intake, twice as many at once, else 429; 0 = no limit."""
    intake_client_share: float = Field(0.75, gt=0, le=1)
    """Share of the requests at once, and of the bytes on their way to Kafka, that one of several tokens may hold."""
    intake_ack_seconds: float = Field(10.0, gt=0, le=300)
    """How long the intake waits for Kafka's acknowledgement before it answers 503."""
    intake_client_seconds: float = Field(10.0, gt=0, le=300)
    """How long a client of the intake may take to send the head of a request, and how long its body."""
    portfolio: Path | None = None
    """Markets, costs, bounds and budget (TOML); the shipped `strategy/markets.toml` when not given."""
    traces: bool = False
    """Send spans of batches and steps by OTLP, to where OTEL_EXPORTER_OTLP_ENDPOINT says; needs the extra `otel`."""
    rules: Path | None = None
    """The detectors' rules (TOML), see `deploy/rules.toml`; the defaults when not given."""
    sinks: Path | None = None
    """Where alerts are sent (TOML), see `deploy/sinks.toml`; `marketpulse notify` needs it."""
    log_format: Literal["console", "json"] = "json"
    """`console` for people, `json` for machines."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is logged."""

    # Each field is checked by itself, after those above it: so every problem is reported, not the first alone.

    _prefix = field_validator("prefix")(check_prefix)
    _redis_url = field_validator("redis_url")(checks.known_scheme)
    _user_hash_key = field_validator("user_hash_key")(checks.long_key)
    _user_hash_key_before = field_validator("user_hash_key_before")(checks.some_key)
    _user_hash_key_since = field_validator("user_hash_key_since")(checks.change_of_key)
    _intake_tokens = field_validator("intake_tokens")(checks.long_tokens)
    _intake_mappings = field_validator("intake_mappings")(checks.mappings)
    _page_token = field_validator("page_token")(checks.long_token)
    _forwarded_allow = field_validator("forwarded_allow")(checks.proxies)
    _kafka_password = field_validator("kafka_password")(checks.kafka_login)
    _redis_password = field_validator("redis_password")(checks.redis_login)
    _registry_password = field_validator("schema_registry_password")(checks.registry_login)
    _registry_authorities = field_validator("schema_registry_ca")(checks.registry_authorities)
    _authorities = field_validator("kafka_ca", "redis_ca")(checks.authorities)
    _certificates = field_validator("kafka_certificate", "redis_certificate")(checks.certificate)
    _keys = field_validator("kafka_key", "redis_key")(checks.certificate_key)

    @property
    def dedupe_ms(self) -> int:
        """`dedupe_minutes` in ms."""
        return int(self.dedupe_minutes * MINUTE_MS)

    @property
    def checkpoint_ms(self) -> int:
        """`checkpoint_minutes` in ms."""
        return int(self.checkpoint_minutes * MINUTE_MS)

    @property
    def codec(self) -> str | None:
        """`compression` by aiokafka's names."""
        return None if self.compression == "none" else self.compression

    @property
    def kafka_servers(self) -> KafkaServers:
        """Kafka's servers, with TLS and login."""
        password = self.kafka_password
        return KafkaServers(
            self.kafka,
            self.kafka_security_protocol,
            self.kafka_sasl_mechanism,
            self.kafka_username,
            None if password is None else password.get_secret_value(),
            self.kafka_ca,
            self.kafka_certificate,
            self.kafka_key,
        )

    @property
    def schema_registry_login(self) -> tuple[str, str] | None:
        """User and password at the Schema Registry."""
        if self.schema_registry_username is None or self.schema_registry_password is None:
            return None
        return self.schema_registry_username, self.schema_registry_password.get_secret_value()

    @property
    def on_loopback(self) -> bool:
        """Whether Kafka and Redis are on this machine alone, as embedded ones are."""
        url = urlsplit(self.redis_url.get_secret_value())
        hosts = [urlsplit(f"//{server.strip()}").hostname for server in self.kafka.split(",")]
        hosts += [] if url.scheme == "unix" else [url.hostname]
        return all(map(_is_loopback, hosts))

    @property
    def user_hashes(self) -> UserHashes:
        """What replaces user ids, under the key in force and the one before.

        Raises SettingsError: the key is the public one, and servers are not on loopback.
        """
        if self.user_hash_key.get_secret_value() == PUBLIC_KEY and not self.on_loopback:
            raise SettingsError(
                f"MARKETPULSE_USER_HASH_KEY is the public default, and Kafka ({self.kafka}) or Redis is not on "
                "loopback: user ids would be hashed with a key that everybody knows. Operator action: set it to a "
                "secret of 16 bytes or more (openssl rand -hex 32). Where the public key is in use so far, set "
                f"MARKETPULSE_USER_HASH_KEY_BEFORE={PUBLIC_KEY} and _SINCE too (docs/how-to/secure.md)."
            )
        before, since = self.user_hash_key_before, self.user_hash_key_since
        return UserHashes(
            self.user_hash_key.get_secret_value().encode(),
            None if before is None else before.get_secret_value().encode(),
            0 if since is None else int(since.timestamp() * 1000),
        )

    @property
    def redis(self) -> str:
        """The Redis URL with its secret, login and PEM files in it."""
        password = self.redis_password
        return folded_url(
            self.redis_url.get_secret_value(),
            self.redis_username,
            None if password is None else password.get_secret_value(),
            self.redis_ca,
            self.redis_certificate,
            self.redis_key,
        )


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment with overrides; raises SettingsError naming every problem at once."""
    environment, problems = environment_of(os.environ)
    problems += unknown_names(environment, NAMES)
    secrets = _secrets_in_files(environment, problems)
    given = secrets | {name: value for name, value in overrides.items() if value is not None}
    settings = None
    try:
        settings = Settings(_env_file=environment.get(ENV_FILE) or None, **given)  # type: ignore[arg-type, call-arg]
    except ValidationError as error:
        problems += _problems(error)
    if settings is None or problems:
        lines = "\n  ".join(map(visible, problems))
        raise SettingsError(f"Settings cannot be used:\n  {lines}\nOperator action: mend them and start again.")
    return settings


def _problems(error: ValidationError) -> list[str]:
    """One line a setting that cannot be used; a default that others would have decided is none."""
    return [
        f"{PREFIX}{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
        for problem in error.errors()
        if problem["type"] != "default_factory_not_called"
    ]


class _OfFile(Settings):
    """Settings of a file alone, none of the process's environment."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: Any, init_settings: Any, env_settings: Any, dotenv_settings: Any, file_secret_settings: Any
    ) -> tuple[Any, ...]:
        return (dotenv_settings,)


def kafka_of(file: Path) -> KafkaServers:
    """Another Kafka, by the settings MARKETPULSE_KAFKA... of a file with `NAME=value` lines.

    Raises:
        SettingsError: it cannot be read, does not say which Kafka, or has a value that cannot be used.
    """
    remedy = "Operator action: correct the file; it has MARKETPULSE_KAFKA=host:port, and TLS and login as in a .env."
    try:
        if "${" in file.read_text("utf-8"):  # which would read this process's own secrets for somebody else's Kafka
            raise SettingsError(f"{file} has `${{`, and nothing is put in its place here. {remedy}")
        found = _OfFile(_env_file=file)  # type: ignore[call-arg]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}. {remedy}") from error
    except ValidationError as error:
        raise SettingsError(f"{file} cannot be used: {'; '.join(_problems(error))}. {remedy}") from error
    if "kafka" not in found.model_fields_set:
        raise SettingsError(f"{file} does not set MARKETPULSE_KAFKA. {remedy}")
    return found.kafka_servers


def _secrets_in_files(environment: Mapping[str, str], problems: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in SECRETS:
        variable = f"MARKETPULSE_{name.upper()}"
        try:
            secret = secret_of(environment, variable)
        except ValueError as error:
            problems.append(f"{variable}: {error}")
            continue
        if secret is not None and environment.get(f"{variable}_FILE"):
            found[name] = secret
    return found


SECRETS = tuple(name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation))
"""Settings that may be given in a file too."""
NAMES = frozenset(
    {ENV_FILE, *(f"{PREFIX}{name.upper()}" for name in Settings.model_fields)}
    | {f"{PREFIX}{name.upper()}_FILE" for name in SECRETS}
)
"""All variables that are settings."""
