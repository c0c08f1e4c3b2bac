"""The OpenAPI document describes the routes, in the contract's own words."""

import json
import re
import subprocess
import sys
from typing import Any

import httpx
import pytest
from google.protobuf.descriptor import Descriptor
from jsonschema_rs import Draft202012Validator

from rest_bridge.routes import contract_routes
from tests.rest.support import RunningBridge
from tests.rest.test_rest_routes import ROUTES


@pytest.fixture(scope="module")
def document(shared_bridge: RunningBridge) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(shared_bridge.url + "/openapi.json", verify=False).json()
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation
        for path in document["paths"].values()
        for operation in path.values()
    }


def test_the_page_is_served(bridge: RunningBridge) -> None:
    page = httpx.get(bridge.url + "/docs", verify=False)

    assert page.status_code == 200
    assert "/openapi.json" in page.text


def test_every_route_is_described_below_both_prefixes(document: dict[str, Any]) -> None:
    assert len(operations(document)) == len(ROUTES)
    assert document["openapi"].startswith("3.1.")
    assert [server["url"] for server in document["servers"]] == [
        "/api/trade/v1/bot",
        "/api/v1/bot",
    ]


def test_every_operation_and_field_carries_the_contracts_comment(document: dict[str, Any]) -> None:
    assert all(operation["description"] for operation in operations(document).values())
    order = document["components"]["schemas"]["Order"]
    assert all(field["description"] for field in order["properties"].values())


def test_a_persons_call_that_changes_an_account_is_described_with_its_account(
    document: dict[str, Any],
) -> None:
    described = operations(document)
    schemes: tuple[dict[str, list[str]], ...] = (
        {"BotKey": []},
        {"UserToken": []},
        {"UserToken": [], "AccountId": []},
    )
    key, token, named = schemes

    assert described["GetAccount"]["security"] == [key, token, named]
    assert described["CancelOrder"]["security"] == [key, named]
    assert described["StreamQuotes"]["security"] == [key, token, named, {"StreamTicket": []}]
    assert described["ListBotKeys"]["security"] == [token]


def test_an_order_is_described_as_it_is_sent_and_answered(document: dict[str, Any]) -> None:
    place = operations(document)["PlaceOrder"]
    sent = place["requestBody"]["content"]["application/json"]["schema"]
    answered = place["responses"]["201"]["content"]["application/json"]["schema"]
    order = document["components"]["schemas"]["Order"]

    assert place["security"] == [{"BotKey": []}]
    assert sent["required"] == ["symbol", "side"]
    assert {kind["type"] for kind in sent["properties"]["quantity"]["anyOf"]} == {
        "string",
        "number",
    }
    assert answered == {"$ref": "#/components/schemas/Order"}
    assert order["properties"]["limit_price"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert "replayed" in order["required"]


def sent_by(document: dict[str, Any], operation_id: str) -> dict[str, Any]:
    """Return the schemas of an operation's parameters, by name."""
    operation = operations(document)[operation_id]
    parameters = {it["name"]: it["schema"] for it in operation["parameters"]}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    sent: dict[str, Any] = parameters | body.get("schema", {}).get("properties", {})
    return sent


def test_the_bounds_that_the_server_checks_are_told(document: dict[str, Any]) -> None:
    listing, stream = sent_by(document, "ListOrders"), sent_by(document, "StreamOrderUpdates")

    assert (listing["limit"]["minimum"], listing["limit"]["maximum"]) == (1, 100)
    assert listing["page_token"]["maxLength"] == 200
    assert stream["after_sequence"]["minimum"] == 0
    assert stream["symbols"]["maxItems"] == 100
    quotes = sent_by(document, "PublishQuotes")["quotes"]
    assert (quotes["minItems"], quotes["maxItems"]) == (1, 500)
    assert sent_by(document, "ListInstruments")["query"]["maxLength"] == 64


@pytest.mark.parametrize(
    ("operation_id", "field", "taken", "refused"),
    [
        ("PlaceOrder", "symbol", ["AAPL", "btc/usd", "EURUSD=X"], ["", " AAPL", "-A", "A" * 33]),
        ("PlaceOrder", "quantity", ["1", "0.00000001", "9999999999"], ["0", "0.00", "-1", "01"]),
        ("PlaceOrder", "quantity", [0.5, 9999999999], [0, -1, 10**10, 1e-9]),
        ("PlaceOrder", "notional", ["0.01", 1000, "1.10"], ["0.001", "0.00", 0, "-1"]),
        ("PlaceOrder", "client_order_id", ["a", "two words", "~" * 128], ["", "é", "~" * 129]),
        ("CreateBotKey", "label", ["a b", "机器人 🤖"], ["", "  ", "a\nb", "a\u202eb", "x" * 65]),
        ("Deposit", "amount", ["0.01", "1.10000000"], ["0.001", "0.00", "10000000000"]),
        ("SetGuardRails", "position_share_max", ["0.01", "99.99", "100.0"], ["100.01", "0", "101"]),
        ("SetGuardRails", "position_share_max", [100, 7.25], [100.01, 0, 0.001]),
        (
            "StreamOrderUpdates",
            "heartbeat_interval",
            ["1s", "9.5s", "119s", "120.0s"],
            ["0s", "0.5s", "120.1s", "121s", "200s"],
        ),
        ("BatchGetQuotes", "symbols", [["AAPL"]], [[], ["A,B"], ["A"] * 101]),
    ],
)
def test_the_document_takes_and_refuses_what_the_server_does(
    document: dict[str, Any], operation_id: str, field: str, taken: list[Any], refused: list[Any]
) -> None:
    valid = Draft202012Validator(sent_by(document, operation_id)[field]).is_valid

    assert [value for value in taken if not valid(value)] == []
    assert [value for value in refused if valid(value)] == []


def test_an_order_is_named_by_its_own_id_or_by_the_callers_as_the_path_says(
    document: dict[str, Any],
) -> None:
    by_id, by_client_id = (
        operations(document)["GetOrder"],
        operations(document)["GetOrderByClientId"],
    )

    assert [(it["name"], it["required"]) for it in by_id["parameters"]] == [("order_id", True)]
    assert [(it["name"], it["required"]) for it in by_client_id["parameters"]] == [
        ("client_order_id", True)
    ]


def test_enums_are_named_without_prefix_and_without_their_zero(document: dict[str, Any]) -> None:
    side = document["components"]["schemas"]["Side"]

    assert side["enum"] == ["BUY", "SELL"]
    assert "Buys at the ask." in side["description"]


def test_a_listing_is_an_array_and_its_filters_are_parameters(document: dict[str, Any]) -> None:
    listing = operations(document)["ListOrders"]
    schema = listing["responses"]["200"]["content"]["application/json"]["schema"]

    assert schema == {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}
    assert [parameter["name"] for parameter in listing["parameters"]] == [
        "status",
        "symbol",
        "after",
        "until",
        "limit",
        "page_token",
    ]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [found for value in node.values() for found in references(value)]
        if isinstance(node, list):
            return [found for value in node for found in references(value)]
        return []

    assert {name.rpartition("/")[2] for name in references(document)} <= set(schemas)


def nullable(schema: dict[str, Any]) -> bool:
    return {"type": "null"} in schema.get("anyOf", [])


def test_a_message_of_an_answer_is_null_only_where_the_contract_says_so(
    document: dict[str, Any],
) -> None:
    """Otherwise a client would have to check `order.created_at`, which is never null."""
    told = re.compile(r"\bnull\b|\babsent\b|\bwhen there was one\b|\bwhen something was\b")
    wrong = [
        f"{name}.{field}"
        for name, fields in answered_messages()
        for field in fields
        if nullable(property_of(document, name, field))
        is not bool(told.search(property_of(document, name, field)["description"]))
    ]

    assert wrong == []


def answered_messages() -> list[tuple[str, list[str]]]:
    """List each message of an answer with its fields that hold a message and stand in no oneof."""
    seen: dict[str, list[str]] = {}

    def visit(descriptor: Descriptor | None) -> None:
        if (
            descriptor is None
            or descriptor.name in seen
            or descriptor.full_name.startswith("google.")
        ):
            return
        messages = [field for field in descriptor.fields if field.message_type is not None]
        seen[descriptor.name] = [
            field.name
            for field in messages
            if not field.is_repeated and field.containing_oneof is None
        ]
        for field in messages:
            visit(field.message_type)

    for route in contract_routes():
        output = route.method.output_type
        if route.response_body:
            resource = output.fields_by_name[route.response_body].message_type
            visit(resource)
        elif not route.method.server_streaming:
            visit(output)
    assert "OrderPreview" in seen
    return list(seen.items())


def property_of(document: dict[str, Any], name: str, field: str) -> dict[str, Any]:
    found: dict[str, Any] = document["components"]["schemas"][name]["properties"][field]
    return found


def test_a_stream_sends_an_update_with_its_order_always_and_its_fill_sometimes(
    document: dict[str, Any],
) -> None:
    assert not nullable(property_of(document, "OrderUpdate", "order"))
    assert nullable(property_of(document, "OrderUpdate", "fill"))
    assert nullable(property_of(document, "StreamOrderUpdatesResponse", "order_update"))


def test_what_a_caller_may_leave_out_may_be_null(document: dict[str, Any]) -> None:
    assert nullable(property_of(document, "PublishedQuote", "time"))


def test_a_replayed_order_is_described_beside_a_new_one(document: dict[str, Any]) -> None:
    responses = operations(document)["PlaceOrder"]["responses"]

    assert responses["200"]["content"] == responses["201"]["content"]
    assert "201" not in operations(document)["GetOrder"]["responses"]


@pytest.mark.parametrize(
    ("header", "told_by"),
    [
        ("X-Next-Page-Token", {"ListOrders", "ListFills"}),
        ("X-Skipped-Orders", {"CancelAllOrders"}),
        ("X-Skipped-Positions", {"CloseAllPositions"}),
        ("X-Notice", {"ListBars"}),
    ],
)
def test_what_stands_beside_an_answer_is_a_header(
    document: dict[str, Any], header: str, told_by: set[str]
) -> None:
    found = {
        name
        for name, operation in operations(document).items()
        if header in operation["responses"].get("200", {}).get("headers", {})
    }

    assert found == told_by


def test_a_refusal_names_its_types_and_reasons(document: dict[str, Any]) -> None:
    refusal = document["components"]["schemas"]["Refusal"]
    error = refusal["properties"]["error"]["properties"]

    assert refusal["properties"]["type"]["enum"] == [
        "authentication_error",
        "not_found",
        "permission_error",
        "quota_exceeded",
        "rate_limit_error",
        "server_error",
        "service_unavailable",
        "validation_error",
    ]
    assert error["reason"] == {"$ref": "#/components/schemas/ErrorReason"}
    assert error["violations"]["items"]["required"] == ["field", "message"]


def test_the_document_is_printed_without_a_server(document: dict[str, Any]) -> None:
    command = [sys.executable, "-m", "rest_bridge.openapi"]
    printed = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout

    assert json.loads(printed) == document
