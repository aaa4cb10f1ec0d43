"""What a worker's probes answer."""

import json
import urllib.error
import urllib.request
from typing import Any

from tests.faults.crew import Worker


def answer_of(worker: Worker, probe: str = "readyz") -> dict[str, Any] | None:
    """The probe's JSON; None while nobody listens."""
    ports = [json.loads(line)["port"] for line in worker.log.read_text().splitlines() if '"probes"' in line]
    if not ports:
        return None
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[-1]}/{probe}", timeout=3) as response:
            content = response.read()
    except urllib.error.HTTPError as refused:
        with refused:
            content = refused.read()
    except OSError:
        return None
    found: dict[str, Any] = json.loads(content)
    return found


def ready(worker: Worker) -> bool:
    """Whether `/readyz` says yes."""
    answer = answer_of(worker)
    return answer is not None and answer["status"] == "ok"


def refuses(worker: Worker) -> bool:
    """Whether `/readyz` answers and says no."""
    answer = answer_of(worker)
    return answer is not None and answer["status"] == "failing"
