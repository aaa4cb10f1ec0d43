"""The rules that `acls show` prints are those that the deployment ships."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.access.rights import ROLES
from streams.cli.main import app
from streams.errors import BadInput

SECURITY = Path(__file__).parents[3] / "deploy" / "security"


@pytest.mark.parametrize(("form", "file"), [("kafka", "kafka-acls.sh"), ("redis", "users.acl")])
def test_a_form_is_the_shipped_file(form: str, file: str) -> None:
    """Every rule of it, in order, for the default prefix."""
    shipped = (SECURITY / file).read_text("utf-8").splitlines()
    shown = CliRunner().invoke(app, ["acls", "show", form]).stdout.splitlines()
    assert len(shown) > 3
    assert shown == [line for line in shipped if line.startswith(("kafka-acls.sh", "user "))]


def test_a_principal_of_ones_own_takes_a_role() -> None:
    """In JSON and in the table; the others keep theirs."""
    runner = CliRunner()
    answer = json.loads(runner.invoke(app, ["acls", "show", "--json", "--principal", "page=User:web"]).stdout)
    assert {"User:web"} == {rule["principal"] for rule in answer["kafka"] if rule["role"] == "page"}
    assert len(ROLES) == len({rule["principal"] for rule in answer["kafka"]})
    table = runner.invoke(app, ["acls", "show", "--principal", "page=User:web"]).stdout
    assert "User:web" in table
    assert "User:marketpulse-reader" in table


def test_a_role_that_does_not_exist_is_refused() -> None:
    """With the roles that do."""
    found = CliRunner().invoke(app, ["acls", "show", "--principal", "boss=User:web"])
    assert isinstance(found.exception, BadInput)
    assert "worker" in str(found.exception)
