"""Kafka's ACLs made from the table of rules, over Kafka's own protocol."""

from collections.abc import Mapping

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.admin import CreateAclsRequest

from marketpulse.client.kafka_servers import Servers, client_options
from streams.access.rights import Role, kafka_rules
from streams.kafka.errors import kafka_errors

# Numbers of Kafka's protocol (AclOperation, ResourceType, PatternType, AclPermissionType).
_OPERATIONS = {"read": 3, "write": 4, "create": 5, "delete": 6, "describe": 8, "describe_configs": 10}
_RESOURCES = {"topic": 2, "group": 3, "transactional_id": 5}
_LITERAL, _PREFIXED = 3, 4
_ALLOW = 3
_ANY_HOST = "*"


async def create_acls(servers: Servers, prefix: str, principals: Mapping[Role, str]) -> int:
    """Allow each role what the table says; how many rules that are. What is allowed already stays so.

    Args:
        servers: with the login of somebody who may alter the cluster.
        prefix: of topics and groups.
        principals: role -> `User:...`, as Kafka names whoever logs in.

    Raises:
        OperatorNeeded: this login may not do it, or the broker has no authorizer.
        Unavailable: Kafka does not answer.
    """
    rules = kafka_rules(prefix)
    client = AIOKafkaClient(**client_options(servers))
    try:
        async with kafka_errors(servers, "create ACLs"):
            await client.bootstrap()
            node = client.get_random_node()
            for rule in rules:
                request = CreateAclsRequest(
                    _RESOURCES[rule.resource],
                    rule.name,
                    _PREFIXED if rule.prefixed else _LITERAL,
                    principals[rule.role],
                    _ANY_HOST,
                    _OPERATIONS[rule.operation],
                    _ALLOW,
                )
                answer = await client.send(node, request)
                for code, message in answer.creation_responses:
                    if code:
                        raise for_code(code)(message)
    finally:
        await client.close()
    return len(rules)
