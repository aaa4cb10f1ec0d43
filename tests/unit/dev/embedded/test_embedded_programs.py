"""Which programs the embedded stack takes, on which platforms."""

from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import jgo
import pytest

from marketpulse.errors import Unavailable
from streams.dev.embedded.programs import redis_executable, require_platform, resolve, server_version, warning_of
from streams.errors import BadInput


def script(path: Path, said: str) -> None:
    """Write a program that says `said`."""
    path.write_text(f"#!/bin/sh\necho '{said}'\n", "utf-8")
    path.chmod(0o755)


@pytest.mark.parametrize(("system", "machine"), [("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")])
def test_supported_platforms_pass(system: str, machine: str) -> None:
    """These three get an embedded stack."""
    require_platform(system, machine)


@pytest.mark.parametrize(("system", "machine"), [("Windows", "AMD64"), ("Darwin", "x86_64"), ("Linux", "riscv64")])
def test_other_platforms_are_told_what_to_do(system: str, machine: str) -> None:
    """Elsewhere the message names the platform and the ways out."""
    with pytest.raises(BadInput, match=rf"{system} {machine}.*Operator action: .*WSL2.*MARKETPULSE_KAFKA"):
        require_platform(system, machine)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1", (7, 0, 15)),
        ("Valkey server v=8.1.3 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1", (8, 1, 3)),
        ("not a server", (0, 0, 0)),
    ],
)
def test_versions_are_read_from_what_a_server_says(tmp_path: Path, said: str, version: tuple[int, int, int]) -> None:
    """Redis and Valkey both say their version as v=."""
    script(tmp_path / "server", said)
    assert version == server_version(str(tmp_path / "server"))


@pytest.mark.parametrize("name", ["valkey-server", "redis-server"])
def test_the_first_server_on_path_that_is_new_enough_is_taken(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis 6.2.19, with known holes, is passed over wherever it comes before a newer server."""
    (later := tmp_path / "later").mkdir()
    script(tmp_path / "redis-server", "Redis server v=6.2.19 sha=0")
    script(later / name, "Valkey server v=8.1.3 sha=0")
    monkeypatch.setenv("PATH", f"{tmp_path}:{later}:/usr/bin:/bin")
    assert str(later / name) == redis_executable()


@pytest.mark.parametrize(("version", "warns"), [("6.2.14", True), ("6.2.20", False), ("7.0.15", False)])
def test_a_redis_with_known_holes_is_warned_of(tmp_path: Path, version: str, warns: bool) -> None:
    """In one line, with what to install."""
    script(tmp_path / "server", f"Redis server v={version} sha=0")
    said = warning_of(str(tmp_path / "server"))
    assert warns == (said is not None)
    assert not warns or (version in str(said) and "Operator action: install" in str(said) and "\n" not in str(said))


def test_a_pom_that_was_cut_off_is_loaded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a broken download leaves it; whole ones stay, and what stays broken is said."""
    monkeypatch.setenv("HOME", str(tmp_path))
    repository = tmp_path / ".m2" / "repository"
    whole, cut_off = repository / "a" / "whole.pom", repository / "b" / "cut.pom"
    for pom, text in ((whole, "<project/>"), (cut_off, "<project><![CDATA[Copyright")):
        pom.parent.mkdir(parents=True)
        pom.write_text(text)

    def build(_: str) -> SimpleNamespace:
        ElementTree.parse(cut_off if cut_off.exists() else whole)
        return SimpleNamespace(path=tmp_path)

    monkeypatch.setattr(jgo, "build", build)
    assert tmp_path == resolve("a:b:1")
    assert [whole] == [*repository.rglob("*.pom")]
    monkeypatch.setattr(jgo, "build", lambda _: ElementTree.fromstring("<project>"))
    with pytest.raises(Unavailable, match="a:b:1 could not be loaded"):
        resolve("a:b:1")
