"""The socket's protocol as an AsyncAPI 3.0 document, made from the types that encode and decode it."""

from typing import Any, get_args

import msgspec

from reference_impl.domain import protocol

REF = "#/components/schemas/{name}"


def _messages(union: Any) -> dict[str, dict[str, Any]]:
    return {
        kind.__name__: {"name": kind.__struct_config__.tag, "payload": {"$ref": REF.format(name=kind.__name__)}}
        for kind in get_args(union)
    }


def document() -> dict[str, Any]:
    """Return the document: one channel, what either side may send, every field with its limits."""
    from_player, from_gateway = _messages(protocol.ClientMessage), _messages(protocol.ServerMessage)
    types = [*get_args(protocol.ClientMessage), *get_args(protocol.ServerMessage)]
    _, schemas = msgspec.json.schema_components(types, ref_template=REF)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Live tables: the players' socket", "version": "1", "description": protocol.__doc__},
        "defaultContentType": "application/json",
        "channels": {
            "socket": {
                "address": "/",
                "description": "Where a placement says. The first frame is `hello`, with the placement's ticket.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (*from_player, *from_gateway)},
            }
        },
        "operations": {
            "fromPlayer": _operation("receive", from_player),
            "fromGateway": _operation("send", from_gateway),
        },
        "components": {"messages": from_player | from_gateway, "schemas": schemas},
    }


def _operation(action: str, messages: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/socket"},
        "messages": [{"$ref": f"#/channels/socket/messages/{name}"} for name in messages],
    }
