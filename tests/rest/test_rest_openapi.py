"""The OpenAPI page tells what the routes do, in the contract's own words."""

from typing import Any

import httpx
import pytest

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


def test_an_order_is_described_as_it_is_sent_and_answered(document: dict[str, Any]) -> None:
    place = operations(document)["PlaceOrder"]
    sent = place["requestBody"]["content"]["application/json"]["schema"]
    answered = place["responses"]["201"]["content"]["application/json"]["schema"]
    order = document["components"]["schemas"]["Order"]

    assert place["security"] == [{"BotKey": []}]
    assert sent["required"] == ["symbol", "side", "quantity"]
    assert {kind["type"] for kind in sent["properties"]["quantity"]["anyOf"]} == {
        "string",
        "number",
    }
    assert answered == {"$ref": "#/components/schemas/Order"}
    assert order["properties"]["limit_price"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert "replayed" in order["required"]


def test_enums_are_named_without_prefix_and_without_their_zero(document: dict[str, Any]) -> None:
    side = document["components"]["schemas"]["Side"]

    assert side["enum"] == ["BUY", "SELL"]
    assert "Buy, at the ask." in side["description"]


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
