"""Bodies over REST through the whole stack: valid ones are exact, invalid ones are refused."""

import pytest

from tests.e2e.conftest import Rest, RestFactory

EVIL_VALUES = [
    '"١٠"',
    '"1_000"',
    '" 10 "',
    '"NaN"',
    '"Infinity"',
    '"1e5"',
    '"-1"',
    '""',
    '"0"',
    '"\\u0000"',
    '"\\ud800"',
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "1e-9",
    "1e999999999",
    "-1",
    "0",
    "true",
    "[1]",
    "{}",
    "null",
    "0.123456789",
    "1" * 25,
    '"' + "1" * 25 + '"',
    "12345678901",
]


@pytest.mark.parametrize("field", ["quantity", "limit_price"])
async def test_no_evil_number_is_accepted_or_shakes_the_service(
    start_rest: RestFactory, field: str
) -> None:
    rest = await start_rest(orders_per_minute=1000, requests_per_minute=1000)
    other = {"quantity": '"limit_price": 1', "limit_price": '"quantity": 1'}[field]
    for value in EVIL_VALUES:
        body = (
            '{"symbol": "AAPL", "side": "BUY", "order_type": "LIMIT", '
            f'{other}, "{field}": {value}}}'
        )
        answer = await rest.send("POST", "/orders", content=body.encode())
        assert answer.status_code == 422, f"{value}: {answer.text}"
        assert answer.json()["type"] == "validation_error"
    assert await rest.get("/orders") == []
    assert (await rest.get("/account"))["balance"] == "100000.00"


EVIL_BODIES = [
    b"",
    b"null",
    b"[]",
    b'"x"',
    b"{",
    b'{"symbol": "AAPL"',
    b"\xff\xfe",
    b"\0",
    b"[" * 50_000,
    b'{"a":' * 9_000,
    b'{"symbol": "AAPL", "symbol": "MSFT"}',
    b"{'symbol': 'AAPL'}",
    b'\xef\xbb\xbf{"symbol": "AAPL"}',
    b'{"symbol": "\xc3\x28"}',
    b'{"symbol": 7}',
    b'{"symbol": ["AAPL"]}',
    b'{"client_order_id": {}}',
    b'{"side": 1}',
    b'{"orderType": "MARKET"}',
]


async def test_no_evil_body_is_accepted_or_shakes_the_service(start_rest: RestFactory) -> None:
    rest = await start_rest(orders_per_minute=1000, requests_per_minute=1000)
    for body in EVIL_BODIES:
        for path in ("/orders", "/orders/preview"):
            answer = await rest.send("POST", path, content=body)
            assert answer.status_code == 422, f"{body[:40]!r}: {answer.text}"
    assert await rest.get("/orders") == []


EXACT = [
    ("185.00", "10", "1850.00"),
    ("0.1", "3", "0.30"),
    ("100", "0.00000001", "0.01"),
    ("0.30", "0.1", "0.03"),
    ("9.99", "1e1", "99.90"),
    ("1E-2", "100", "1.00"),
]


@pytest.mark.parametrize(("price", "quantity", "reserved"), EXACT)
async def test_money_is_exact_however_the_number_is_written(
    rest: Rest, price: str, quantity: str, reserved: str
) -> None:
    body = (
        '{"symbol": "BTC-USD", "side": "BUY", "order_type": "LIMIT", '
        f'"limit_price": {price}, "quantity": {quantity}}}'
    )
    answer = await rest.send("POST", "/orders", content=body.encode())

    assert answer.status_code == 201, answer.text
    assert answer.json()["reserved"] == reserved
