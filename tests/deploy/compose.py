"""docker-compose.yml as it is read, with secrets made by deploy/secrets.sh in the place of its variables."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.build_steps import DEPLOY, ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
_VARIABLE = re.compile(r"\$\{(\w+)(?:(:\?|:-)([^}]*))?\}")


def required() -> set[str]:
    """Variables that the file refuses to start without."""
    text = (ROOT / "docker-compose.yml").read_text("utf-8")
    return {found[1] for found in _VARIABLE.finditer(text) if found[2] == ":?"}


def make_secrets(folder: Path) -> dict[str, str]:
    """Run deploy/secrets.sh as if `folder` were the project's; what is in its .env."""
    (folder / "deploy").mkdir(exist_ok=True)
    script = shutil.copy(DEPLOY / "secrets.sh", folder / "deploy")
    subprocess.run(["sh", script], check=True, timeout=20)
    return dict(line.split("=") for line in (folder / ".env").read_text("utf-8").splitlines())


def filled(value: object, secrets: dict[str, str]) -> str:
    """A value as a container gets it: from `secrets`, or its default."""

    def value_of(found: re.Match[str]) -> str:
        return secrets.get(found[1], found[3]) if found[2] == ":-" else secrets[found[1]]

    return _VARIABLE.sub(value_of, str(value)).replace("$$", "$")


def environment(service: str, secrets: dict[str, str]) -> dict[str, str]:
    """A service's variables."""
    return {name: filled(value, secrets) for name, value in SERVICES[service].get("environment", {}).items()}
