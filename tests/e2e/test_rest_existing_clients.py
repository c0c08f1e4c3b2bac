"""Requests of existing clients: STOCK for everything, and numbers with floating-point noise."""

from typing import Any

import pytest

from bottrading.v1 import instrument_pb2
from tests.e2e.conftest import Rest, RestFactory
from tests.support.streams import order_updates
from tests.support.venue import Bot

OWN = {
    "AAPL": "STOCK",
    "SPY": "ETF",
    "BTC-USD": "CRYPTO",
    "EUR-USD": "FOREX",
    "MGC": "COMMODITY",
}


def order(symbol: str, **fields: Any) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "side": "BUY",
        "quantity": 1,
        "order_type": "LIMIT",
        "limit_price": 1,
        **fields,
    }


async def test_stock_is_taken_for_an_etf_and_for_crypto_with_a_note(rest: Rest) -> None:
    for symbol, own in (("SPY", "ETF"), ("BTC-USD", "CRYPTO")):
        for path, status in (("/orders", 201), ("/orders/preview", 200)):
            answer = await rest.send("POST", path, json=order(symbol, asset_type="STOCK"))
            shown = answer.json().get("order", answer.json())

            assert answer.status_code == status
            assert shown["asset_type"] == own
            [warning] = shown["warnings"]
            assert symbol in warning
            assert own in warning


async def test_the_own_type_and_none_are_taken_without_a_note(rest: Rest) -> None:
    for symbol, own in OWN.items():
        for fields in ({}, {"asset_type": own}):
            answer = await rest.send("POST", "/orders/preview", json=order(symbol, **fields))
            assert answer.json()["order"]["warnings"] == [], symbol


async def test_any_other_difference_is_refused_and_names_the_right_type(
    start_rest: RestFactory,
) -> None:
    rest = await start_rest(requests_per_minute=1000)
    taken = {("SPY", "STOCK"), ("BTC-USD", "STOCK")}
    for symbol, own in OWN.items():
        for sent in [*OWN.values(), "OPTION"]:
            if sent == own or (symbol, sent) in taken:
                continue
            answer = await rest.send("POST", "/orders/preview", json=order(symbol, asset_type=sent))
            error = answer.json()["error"]

            assert (answer.status_code, error["reason"]) == (422, "ASSET_TYPE_MISMATCH")
            assert own in error["message"]


async def test_a_note_is_about_its_call_and_stands_neither_in_the_order_nor_in_its_log(
    rest: Rest,
) -> None:
    sent = order("SPY", client_order_id="mine")
    first = (await rest.send("POST", "/orders", json=sent | {"asset_type": "STOCK"})).json()
    again = (await rest.send("POST", "/orders", json=sent | {"asset_type": "STOCK"})).json()
    without = (await rest.send("POST", "/orders", json=sent)).json()
    read = await rest.get(f"/orders/{first['id']}")
    bot = Bot(rest.venue, rest.key)
    stream, _ = await order_updates(bot, after_sequence=0)
    logged = (await stream.take(2))[1].order_update.order

    assert len(first["warnings"]) == 1
    assert (again["replayed"], again["warnings"]) == (True, first["warnings"])
    assert (without["replayed"], without["warnings"]) == (True, [])
    assert read == first | {"warnings": []}
    assert (logged.id, logged.asset_type) == (first["id"], instrument_pb2.ASSET_TYPE_ETF)
    assert list(logged.warnings) == []


@pytest.mark.parametrize(
    ("sent", "taken"),
    [
        ("0.30000000000000004", "0.30000000"),
        ("0.1000000000000000055511151231257827", "0.10000000"),
        ("1234567.1199999999", "1234567.12000000"),
        ("3e-1", "0.30000000"),
    ],
)
async def test_the_noise_of_floating_point_is_rounded_away_before_orders_are_compared(
    rest: Rest, sent: str, taken: str
) -> None:
    def body(quantity: str) -> bytes:
        text = '{"symbol": "BTC-USD", "side": "BUY", "order_type": "LIMIT", "limit_price": "0.01", '
        return f'{text}"client_order_id": "mine", "quantity": {quantity}}}'.encode()

    first = await rest.send("POST", "/orders", content=body(sent))
    again = await rest.send("POST", "/orders", content=body(f'"{taken}"'))

    assert (first.status_code, first.json()["quantity"]) == (201, taken)
    assert (again.status_code, again.json()["replayed"]) == (200, True)
    assert again.json()["id"] == first.json()["id"]
