"""All settings of a process: parsed once from the environment, frozen, every problem reported at once."""

from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams.errors import SettingsError
from streams.kafka_connection import KafkaServers, Mechanism, Protocol
from streams.user_hashes import UserHashes

SHIPPED_MODEL = Path(__file__).parent.parent / "models" / "artifacts" / "marketpulse-small"


class Settings(BaseSettings):
    """Every setting is the environment variable MARKETPULSE_<NAME>, also from a file `.env` beside the process."""

    model_config = SettingsConfigDict(
        env_prefix="MARKETPULSE_", env_file=".env", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    prefix: str = Field("marketpulse", pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")
    """Prefix of topics, consumer groups and Redis keys: one product or tenant."""
    kafka: str = "127.0.0.1:9092"
    """Kafka servers servers, `host:port,host:port`."""
    kafka_security_protocol: Protocol = "PLAINTEXT"
    """How Kafka's listener is spoken to: SSL is TLS, SASL a login."""
    kafka_sasl_mechanism: Mechanism = "SCRAM-SHA-512"
    """How a login is proved, with a protocol that begins with SASL."""
    kafka_username: str | None = None
    """Whose login, with a protocol that begins with SASL."""
    kafka_password: SecretStr | None = None
    """Its password."""
    kafka_ca: Path | None = None
    """PEM file of the authorities that may have signed Kafka's certificates; the system's when not given."""
    kafka_certificate: Path | None = None
    """PEM file of this client's own certificate, where Kafka asks for one."""
    kafka_key: Path | None = None
    """PEM file of the key of this client's certificate; not needed where the certificate's file holds it too."""
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """Redis (6.2 or later) or Valkey; one primary."""
    user_hash_key: SecretStr = SecretStr("marketpulse")
    """Key of the hash that replaces user ids; set your own in production."""
    user_hash_key_before: SecretStr | None = None
    """The key before it, while the key is being changed."""
    user_hash_key_since: AwareDatetime | None = None
    """From which event time on the new key is used: a whole hour that is still to come when workers start with it."""

    model: Literal["onnx", "stub"] = "onnx"
    """`stub` classifies by a pure function of the text: for engine benchmarks and fault tests only."""
    model_folder: Path = SHIPPED_MODEL
    """Folder with the ONNX model, its tokenizer and manifest."""
    candidate_folder: Path | None = None
    """A second model that classifies the same events in shadow: only its agreement is published."""
    device: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    """Where the model runs; an explicit device that is not there is an error at start."""
    threads: int = Field(0, ge=0, le=256)
    """Threads of ONNX Runtime; 0 = all cores."""

    cache_texts: int = Field(20_000, ge=0, le=1_000_000)
    """Texts whose answers a worker remembers, since real feedback repeats; 0 = none."""
    classified: bool = True
    """Publish what the model said of each event to `feedback.classified`."""
    excerpts: bool = True
    """Keep up to three redacted texts per market and step as evidence."""
    batch_records: int = Field(1000, ge=1, le=4000)
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
    """Port of `/livez`, `/readyz`, `/startupz`, `/metrics`; none without it; 0 = any free one (it is logged)."""
    health_host: str = "127.0.0.1"
    """Address the probes listen on; `0.0.0.0` in a container."""
    stall_seconds: float = Field(120.0, ge=5, le=3600)
    """A worker in which something stands still for so long, while Kafka and Redis answer, ends with exit code 75."""
    drain_seconds: float = Field(10.0, ge=0, le=300)
    """How long a worker that is asked to stop finishes the batches it holds; what is left, others read again."""
    page_token: SecretStr | None = Field(None, min_length=16)
    """What opens the live page, in its login form or as `Authorization: Bearer`; none = it listens on loopback only."""
    portfolio: Path | None = None
    """Markets, costs, bounds and budget (TOML); the shipped `strategy/markets.toml` when not given."""
    traces: bool = False
    """Send spans of batches and steps by OTLP, to where OTEL_EXPORTER_OTLP_ENDPOINT says; needs the extra `otel`."""
    rules: Path | None = None
    """The detectors' rules (TOML), see `deploy/rules.toml`; the defaults when not given."""
    log_format: Literal["console", "json"] = "json"
    """`console` for people, `json` for machines."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is logged."""

    @field_validator("redis_url")
    @classmethod
    def _known_scheme(cls, url: SecretStr) -> SecretStr:
        if not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return url

    @model_validator(mode="after")
    def _kafka_login(self) -> "Settings":
        login = self.kafka_username is not None and self.kafka_password is not None
        if self.kafka_security_protocol.startswith("SASL") != login:
            raise ValueError(
                "a user name and a password (MARKETPULSE_KAFKA_USERNAME, MARKETPULSE_KAFKA_PASSWORD) go with "
                "protocols that begin with SASL (MARKETPULSE_KAFKA_SECURITY_PROTOCOL), and those need both"
            )
        return self

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

    @model_validator(mode="after")
    def _change_of_key(self) -> "Settings":
        since = self.user_hash_key_since
        if (since is None) != (self.user_hash_key_before is None):
            raise ValueError("MARKETPULSE_USER_HASH_KEY_BEFORE and MARKETPULSE_USER_HASH_KEY_SINCE go together")
        if since is not None and since.timestamp() % 3_600:
            raise ValueError("MARKETPULSE_USER_HASH_KEY_SINCE must be a whole hour of UTC, as 2026-01-31T00:00:00Z")
        return self

    @property
    def user_hashes(self) -> UserHashes:
        """What replaces user ids, under the key in force and the one before."""
        before, since = self.user_hash_key_before, self.user_hash_key_since
        return UserHashes(
            self.user_hash_key.get_secret_value().encode(),
            None if before is None else before.get_secret_value().encode(),
            0 if since is None else int(since.timestamp() * 1000),
        )

    @property
    def redis(self) -> str:
        """The Redis URL with its secret."""
        return self.redis_url.get_secret_value()


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment with overrides; raises SettingsError naming every problem at once."""
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        problems = [
            f"MARKETPULSE_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}" for problem in error.errors()
        ]
        raise SettingsError(
            "Settings cannot be used:\n  " + "\n  ".join(problems) + "\nOperator action: mend them and start again."
        ) from error
