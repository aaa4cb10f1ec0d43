"""Secrets of the Helm chart, and who gets which."""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from streams.access.rights import Role, principal
from streams.settings import Settings
from tests.deploy.chart import (
    CHART,
    PRODUCTION,
    TRIAL,
    Manifest,
    containers,
    each_set,
    needs_helm,
    of_kind,
    refusal,
    rendered,
    setting,
    variables,
)

pytestmark = needs_helm


@each_set
def test_secrets_stand_in_secrets_alone(values: Path) -> None:
    """No secret setting has a plain value, and no ConfigMap holds one's value."""
    secret = {
        f"MARKETPULSE_{name.upper()}" for name, field in Settings.model_fields.items() if is_secret(field.annotation)
    }
    assert {setting("redis_url"), setting("kafka_password")} <= secret
    for component, container in containers(rendered(values)):
        plain = {name for name, one in variables(container).items() if "value" in one} & secret
        allowed = {setting("redis_url")} if "bundled" in values.stem else set()  # which asks for no login
        assert plain <= allowed, component
        assert not re.search("//[^/]*@", variables(container).get(setting("redis_url"), {}).get("value", ""))
    given = yaml.safe_load(values.read_text("utf-8"))["secrets"].get("create", {})
    for one in of_kind(rendered(values), "ConfigMap"):
        assert not [text for text in given.values() if text in str(one["data"])], one["metadata"]["name"]
    assert bool(given) == bool(of_kind(rendered(values), "Secret"))


def is_secret(annotation: Any) -> bool:
    """Whether a setting's type hides its value."""
    return "SecretStr" in str(annotation) or annotation is SecretStr


def test_secret_settings_are_refused_as_plain_ones() -> None:
    """By the schema of values; so are the prefix and Kafka's servers, which have values of their own, and no other."""
    schema = yaml.safe_load((CHART / "values.schema.json").read_text("utf-8"))
    refused = schema["definitions"]["settings"]["propertyNames"]["not"]["pattern"]
    for name, field in Settings.model_fields.items():
        plain = not is_secret(field.annotation) and name not in ("prefix", "kafka")
        assert plain != bool(re.search(refused, f"MARKETPULSE_{name.upper()}")), name
    assert "MARKETPULSE_PAGE_TOKEN" in refusal(TRIAL, "worker.settings.MARKETPULSE_PAGE_TOKEN=a-token-of-some-length")


@each_set
def test_a_process_is_told_of_the_servers_it_reaches_alone(values: Path) -> None:
    """The containers that wait for the ledger get no login of Kafka, and no key of user ids."""
    for _, container in containers(rendered(values)):
        if container["name"] == "wait-for-ledger":
            assert "" == variables(container)[setting("kafka")]["value"]
            assert not {setting("kafka_password"), setting("user_hash_key")} & set(variables(container))
            assert setting("redis_url") in variables(container)


def logins(manifests: tuple[Manifest, ...], name: str) -> dict[str, str]:
    """Container -> the Secret's key that a setting is read from."""
    found = {one["name"]: variables(one).get(setting(name)) for _, one in containers(manifests)}
    return {container: one["valueFrom"]["secretKeyRef"]["key"] for container, one in found.items() if one is not None}


def test_each_process_has_a_login_of_its_own() -> None:
    """Keys of the Secret and Kafka's users are those of `marketpulse acls`; intake and notifier have no Redis."""
    manifests = rendered(PRODUCTION)
    redis = dict.fromkeys(("worker", "wait-for-ledger"), "redis-url-worker") | {"page": "redis-url-page"}
    assert redis | dict.fromkeys(("topics", "ledger"), "redis-url-operator") == logins(manifests, "redis_url")
    roles: dict[str, Role] = {"worker": "worker", "page": "page", "intake": "producer", "notify": "notifier"}
    assert {one: f"kafka-password-{role}" for one, role in roles.items()}.items() <= logins(
        manifests, "kafka_password"
    ).items()
    users = {
        one["name"]: variables(one)[setting("kafka_username")]["value"]
        for _, one in containers(manifests)
        if one["name"] in roles
    }
    assert users == {one: principal("marketpulse", role) for one, role in roles.items()}
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(manifests, "NetworkPolicy")}
    for name in ("intake", "notify"):
        assert 6380 not in [
            port["port"] for rule in policies[f"trial-marketpulse-{name}"]["egress"] for port in rule["ports"]
        ]


def test_only_workers_get_the_key_of_user_hashes() -> None:
    """And each secret setting goes to the process that needs it alone."""
    assert {"worker": "user-hash-key"} == logins(rendered(PRODUCTION), "user_hash_key")
    assert {"page": "page-token"} == logins(rendered(PRODUCTION), "page_token")
    assert {"intake": "intake-tokens"} == logins(rendered(PRODUCTION), "intake_tokens")


def test_one_login_for_all_is_kept_where_it_is_asked_for() -> None:
    """`secrets.shared` is how it was before: the same keys and the same user."""
    manifests = rendered(
        PRODUCTION, "secrets.shared=true", "kafka.username=ann", "prepare.settings=null", "prepare.secretSettings=null"
    )
    assert {"redis-url"} == set(logins(manifests, "redis_url").values())
    assert {"kafka-password"} == set(logins(manifests, "kafka_password").values())
    assert {"ann"} == {
        variables(one)[setting("kafka_username")]["value"]
        for _, one in containers(manifests)
        if setting("kafka_username") in variables(one)
    }
