"""Settings of TLS and logins: what does not fit is said at once, all of it, and nothing secret with it."""

from pathlib import Path

import pytest
import trustme

from streams import settings
from streams.cli.settings import load_settings as settings_of_commands
from streams.dev.embedded.servers import Endpoints
from streams.dev.run import worker_environment
from streams.errors import SettingsError
from streams.settings import SECRETS, load_settings


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """A folder with an authority, a certificate, its key, another key, and a file that is no PEM."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name in ("mine", "other"):
        one = authority.issue_cert(f"{name}.example")
        one.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
        one.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
    (tmp_path / "text").write_text("no PEM")
    return tmp_path


def problems(**given: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(**given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("device", "made", "driver", "runtime", "expected"),
    [
        ("auto", True, True, True, "base"), ("cuda", True, False, False, "base"), ("cpu", True, True, True, "small"),
        ("auto", False, True, True, "small"), ("cuda", False, True, True, "small"),
        ("auto", True, False, True, "small"), ("auto", True, True, False, "small"),
    ],
)  # fmt: skip
def test_the_larger_model_is_the_default_where_a_gpu_runs_it(
    device: str, made: bool, driver: bool, runtime: bool, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where it is there; a folder that is named is the folder."""
    monkeypatch.setattr(settings, "LARGER_MODEL", tmp_path / "base")
    monkeypatch.setattr(settings, "SHIPPED_MODEL", tmp_path / "small")
    monkeypatch.setattr(settings, "NVIDIA_DRIVER", tmp_path / "driver")
    monkeypatch.setattr(settings.metadata, "distributions", lambda name: [name] if runtime else [])
    for file, there in (("base/manifest.json", made), ("driver", driver)):
        if there:
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).write_text("")
    assert tmp_path / expected == load_settings(device=device).model_folder
    assert tmp_path / "own" == load_settings(device=device, model_folder=tmp_path / "own").model_folder


def test_every_problem_is_reported_at_once(pem: Path) -> None:
    """A login without a user, files that are not there or no PEM, files for a plain connection."""
    said = problems(
        kafka_security_protocol="SASL_SSL",
        kafka_password="secret-word",
        kafka_ca=pem / "nowhere.pem",
        kafka_certificate=pem / "text",
        redis_ca=pem / "ca.pem",
        redis_username="ann",
        threads=-1,
    )
    assert ["KAFKA_PASSWORD", "KAFKA_CA", "KAFKA_CERTIFICATE", "REDIS_PASSWORD", "REDIS_CA", "THREADS"] == [
        line.strip().removeprefix("MARKETPULSE_").partition(":")[0] for line in said.splitlines()[1:-1]
    ]
    assert "nowhere.pem cannot be read: No such file or directory" in said
    assert "rediss://" in said
    assert "secret-word" not in said


def test_a_misspelt_setting_is_an_error_that_names_the_nearest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also in the file of variables; nothing that Kubernetes adds for a Service is."""
    file = tmp_path / "variables"
    file.write_text("MARKETPULSE_KAFKA_PASWORD_FILE=x\n")
    for name, value in {
        "MARKETPULSE_ENV_FILE": str(file),
        "MARKETPULSE_BATCH_RECORD": "10",
        "MARKETPULSE_HELTH_PORT": "8080",
        "MARKETPULSE_QUUX": "1",
        "MARKETPULSE_PAGE_SERVICE_HOST": "10.0.0.1",
        "MARKETPULSE_PAGE_SERVICE_PORT_HTTP": "80",
        "MARKETPULSE_PAGE_PORT": "tcp://10.0.0.1:80",
        "MARKETPULSE_PAGE_PORT_80_TCP_ADDR": "10.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    assert [
        "MARKETPULSE_BATCH_RECORD: there is no such setting; do you mean MARKETPULSE_BATCH_RECORDS?",
        "MARKETPULSE_HELTH_PORT: there is no such setting; do you mean MARKETPULSE_HEALTH_PORT?",
        "MARKETPULSE_KAFKA_PASWORD_FILE: there is no such setting; do you mean MARKETPULSE_KAFKA_PASSWORD_FILE?",
        "MARKETPULSE_QUUX: there is no such setting",
    ] == [line.strip() for line in problems().splitlines()[1:-1]]


@pytest.mark.parametrize(
    "given",
    [
        {"kafka_username": "ann", "kafka_password": "x"},
        {"kafka_security_protocol": "SASL_SSL"},
        {"kafka_security_protocol": "SASL_SSL", "kafka_username": "ann"},
        {"kafka_security_protocol": "SSL", "kafka_username": "ann"},
    ],
)
def test_a_kafka_login_goes_with_sasl(given: dict[str, object]) -> None:
    """Both or none, and only with a protocol that takes them."""
    assert "MARKETPULSE_KAFKA_PASSWORD: " in problems(**given)


def test_a_login_of_the_schema_registry_is_whole(pem: Path) -> None:
    """Both or none, no colon in the name, and an authority that is one."""
    assert ("ann", "x") == load_settings(
        schema_registry_username="ann", schema_registry_password="x"
    ).schema_registry_login
    assert None is load_settings().schema_registry_login
    for given in ({"username": "ann"}, {"password": "x"}, {"username": "a:b", "password": "x"}):
        wrong = problems(**{f"schema_registry_{name}": value for name, value in given.items()})
        assert "MARKETPULSE_SCHEMA_REGISTRY_PASSWORD: " in wrong
    assert "SCHEMA_REGISTRY_CA: Value error, " in problems(schema_registry_ca=pem / "text")


def test_a_key_fits_its_certificate(pem: Path) -> None:
    """Its own one, in a file beside it or in the same; another one, or none, is said."""
    tls = {"kafka_security_protocol": "SSL", "kafka_certificate": pem / "mine.pem"}
    assert pem / "mine.key" == load_settings(**tls, kafka_key=pem / "mine.key").kafka_servers.key
    assert "is not the key of" in problems(**tls, kafka_key=pem / "other.key")
    assert "holds no PEM block of a key" in problems(**tls)
    (pem / "empty.pem").touch()
    assert f"{pem / 'empty.pem'} (0 bytes) holds no PEM block of a certificate" in problems(
        kafka_security_protocol="SSL", kafka_ca=pem / "empty.pem"
    )
    assert "a key goes with a certificate" in problems(kafka_security_protocol="SSL", kafka_key=pem / "mine.key")
    (pem / "both.pem").write_bytes((pem / "mine.key").read_bytes() + (pem / "mine.pem").read_bytes())
    assert load_settings(kafka_security_protocol="SSL", kafka_certificate=pem / "both.pem").kafka_key is None


def test_a_redis_login_is_given_once() -> None:
    """In the URL or apart from it."""
    assert "given twice" in problems(redis_url="redis://ann:x@h/0", redis_password="secret-word")


def test_redis_settings_are_folded_into_one_url(pem: Path) -> None:
    """User and password are quoted, PEM files become what redis-py calls them, the database stays."""
    settings = load_settings(
        redis_url="rediss://host:6380/2", redis_username="a@b", redis_password="p/:?@#", redis_ca=pem / "ca.pem"
    )
    ca = str(pem / "ca.pem").replace("/", "%2F")
    assert f"rediss://a%40b:p%2F%3A%3F%40%23@host:6380/2?ssl_ca_certs={ca}" == settings.redis
    assert "p/:" not in f"{settings!r} {settings}"


def test_a_password_alone_is_the_default_users() -> None:
    """As Redis has it without an ACL."""
    assert "redis://:word@127.0.0.1:6379/0" == load_settings(redis_password="word").redis


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_may_be_in_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As orchestrators mount them; not beside the variable itself; one that cannot be read is named, never shown."""
    secret = "redis://h/0" if name == "redis_url" else "secret-word-of-16+"
    variable, file = f"MARKETPULSE_{name.upper()}", tmp_path / "secret"
    others = {"kafka_username": "ann", "kafka_security_protocol": "SASL_SSL", "kafka_password": "x"}
    others |= {"schema_registry_username": "ann", "schema_registry_password": "x"}
    others |= {"user_hash_key_before": "the key before it", "user_hash_key_since": "2026-01-31T00:00:00Z"}
    others.pop(name, None)
    monkeypatch.setenv(f"{variable}_FILE", str(file))
    assert f"{variable}: {file}, which {variable}_FILE names, cannot be read: No such file" in problems(**others)
    file.write_text(f"{secret}\r\n")
    assert secret == getattr(load_settings(**others), name).get_secret_value()
    for content in ("\n", "x" * 70_000):
        file.write_text(content)
        assert "must hold 1 to 65536 characters" in problems(**others)
    file.write_bytes(b"secret\xff")
    assert "it is not UTF-8" in problems(**others)
    file.write_text(secret)
    monkeypatch.setenv(variable, secret)
    said = problems(**others)
    assert f"{variable}: is given twice: here and in {variable}_FILE" in said
    assert secret not in said


def test_a_file_of_variables_is_read_where_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never one that merely lies in the working directory: the command line says so."""
    (tmp_path / "key").write_text("a key in a file of its own\n")
    content = f"MARKETPULSE_KAFKA=evil:9092\nMARKETPULSE_USER_HASH_KEY_FILE={tmp_path / 'key'}\n"
    (tmp_path / ".env").write_text(content)
    monkeypatch.chdir(tmp_path)
    assert "127.0.0.1:9092" == load_settings().kafka
    monkeypatch.setenv("MARKETPULSE_ENV_FILE", str(tmp_path / ".env"))
    found = load_settings()
    assert ("evil:9092", "a key in a file of its own") == (found.kafka, found.user_hash_key.get_secret_value())
    monkeypatch.setenv("MARKETPULSE_KAFKA", "kafka:9092")
    assert "kafka:9092" == load_settings().kafka
    monkeypatch.setenv("MARKETPULSE_ENV_FILE", "nowhere")
    assert "MARKETPULSE_ENV_FILE: nowhere is no file" in problems()


def test_commands_say_that_they_pass_over_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it holds settings."""
    monkeypatch.chdir(tmp_path)
    for content, said in (("OTHER=1", False), ("MARKETPULSE_KAFKA=evil:9092", True)):
        (tmp_path / ".env").write_text(content)
        assert "127.0.0.1:9092" == settings_of_commands().kafka
        assert said == ("name it in MARKETPULSE_ENV_FILE" in capsys.readouterr().err)


def test_workers_get_a_secret_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child inherits the variable that names the file, and is given the secret itself."""
    (tmp_path / "key").write_text("a key in a file of its own")
    monkeypatch.setenv("MARKETPULSE_USER_HASH_KEY_FILE", str(tmp_path / "key"))
    settings = load_settings()
    given = worker_environment(settings, Endpoints(settings.kafka_servers, settings.redis))
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert settings.user_hash_key == load_settings().user_hash_key


@pytest.mark.parametrize("prefix", ["a.analyst", "a.bridge", "a.notify", "a.reader", "a.b.reader.c"])
def test_a_prefix_has_no_groups_that_another_may_join(prefix: str) -> None:
    """`<prefix>.notify.` and `<prefix>.reader.` begin the groups of a prefix, as its rules in Kafka say."""
    assert "another prefix's login could join its groups" in problems(prefix=prefix)
    assert "notify.readers" == load_settings(prefix="notify.readers").prefix
