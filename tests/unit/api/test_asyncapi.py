"""The description of the socket says what the decoder does."""

import json
from typing import Any, get_args

import jsonschema
import msgspec
import pytest

from reference_impl.api.asyncapi import document
from reference_impl.domain import protocol

BET = {
    "t": "bet", "id": "0" * 32, "table": 1, "round": 1, "window": 0, "selection": 36, "amount_minor": 100,
}  # fmt: skip


def schema_of(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}


def test_every_message_is_described_and_every_reference_leads_somewhere() -> None:
    whole = document()
    names = {kind.__name__ for kind in (*get_args(protocol.ClientMessage), *get_args(protocol.ServerMessage))}
    assert set(whole["components"]["messages"]) == set(whole["channels"]["socket"]["messages"]) == names
    for reference in (part.split('"')[0] for part in json.dumps(whole).split('"$ref": "#/')[1:]):
        at: Any = whole
        for key in reference.split("/"):
            at = at[key]


@pytest.mark.parametrize(
    "change",
    [{}, {"amount_minor": 0}, {"amount_minor": 10**12 + 1}, {"id": "xyz"}, {"window": 101}, {"more": 1}, {"t": "bets"}],
)
def test_schema_and_decoder_agree_on_bets(change: dict[str, Any]) -> None:
    frame = BET | change
    try:
        msgspec.json.decode(json.dumps(frame).encode(), type=protocol.ClientMessage)
        decoded = True
    except msgspec.ValidationError:
        decoded = False
    validator = jsonschema.Draft202012Validator(schema_of("PlaceBet"))
    assert validator.is_valid(frame) is decoded
    assert decoded is (not change)
