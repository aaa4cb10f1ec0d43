"""The commands `acls show` and `acls apply`: what each part may do in Kafka and Redis."""

from typing import Annotated, Literal

import msgspec
import typer
from rich.table import Table

from marketpulse.contract.words import count_of
from streams.access.rights import ROLES, Role, kafka_commands, kafka_rules, principal, redis_rules, redis_users
from streams.cli import output
from streams.cli.output import Json
from streams.cli.settings import load_settings, run_async
from streams.errors import BadInput

Principals = Annotated[
    list[str] | None,
    typer.Option("--principal", help="role=User:name, where Kafka's user is not <prefix>-<role>; may be repeated."),
]

acls_app = typer.Typer(
    no_args_is_help=True, help="Show and apply the least rights of each component in Kafka and Redis."
)


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(acls_app, name="acls", rich_help_panel=output.START)


@acls_app.command("show")
def acls_show(
    form: Annotated[
        Literal["table", "kafka", "redis"],
        typer.Argument(help="`table`; `kafka`: commands of kafka-acls.sh; `redis`: lines of an ACL file."),
    ] = "table",
    principals: Principals = None,
    as_json: Json = False,
) -> None:
    """The rules of this prefix for worker, producer, reader, page and operator. Connects to nothing.

    ```
    marketpulse acls show redis
    ```
    """
    prefix = load_settings().prefix
    named = _principals(prefix, principals)
    if as_json:
        kafka = [{"principal": named[rule.role]} | msgspec.to_builtins(rule) for rule in kafka_rules(prefix)]
        redis = {principal(prefix, role): rules for role, rules in redis_rules(prefix).items()}
        output.print_json({"kafka": kafka, "redis": redis})
    elif form == "table":
        _print_table(prefix, named)
    else:
        lines = kafka_commands(prefix, named) if form == "kafka" else redis_users(prefix)
        output.say("\n".join(lines))


@acls_app.command("apply")
def acls_apply(principals: Principals = None, as_json: Json = False) -> None:
    """Create Kafka's ACLs of this prefix. Requires ALTER on the cluster. Existing ACLs are kept.

    Redis takes its users from a file: `acls show redis`.

    ```
    marketpulse acls apply --principal page=User:web
    ```
    """
    from streams.access.kafka_acls import create_acls

    settings = load_settings()
    done = run_async(create_acls(settings.kafka_servers, settings.prefix, _principals(settings.prefix, principals)))
    text = f"{count_of(done, 'rule')} in force for {settings.prefix}"
    output.answer({"rules": done}, as_json, text)


def _principals(prefix: str, given: list[str] | None) -> dict[Role, str]:
    named: dict[Role, str] = {role: f"User:{principal(prefix, role)}" for role in ROLES}
    for one in given or []:
        role, _, name = one.partition("=")
        known = next((other for other in ROLES if other == role), None)
        if known is None or not name.startswith("User:"):
            raise BadInput(f"{one!r} is not role=User:name. Operator action: use one of {', '.join(ROLES)}.")
        named[known] = name
    return named


def _print_table(prefix: str, named: dict[Role, str]) -> None:
    allowed: dict[tuple[str, str], list[str]] = {}
    for rule in kafka_rules(prefix):
        name = f"{rule.resource} {rule.name}{'*' if rule.prefixed else ''}"
        allowed.setdefault((named[rule.role], name), []).append(rule.operation)
    table = Table("who", "what in Kafka", "may")
    for (who, name), operations in allowed.items():
        table.add_row(*map(output.cell, (who, name, ", ".join(operations))))
    console = output.console()
    console.print(table)
    users = Table("who", "what in Redis", caption="Kafka's rules: `marketpulse acls apply`. Redis's: `acls show redis`")
    for role, rules in redis_rules(prefix).items():
        users.add_row(*map(output.cell, (principal(prefix, role), " ".join(rules))))
    console.print(users)
