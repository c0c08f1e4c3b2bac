"""Invariants: a decision that would lead to an invalid state is stopped."""

from dataclasses import replace
from typing import Any

import pytest

from server.domain.account import Account, Position, TradeStatistics
from server.domain.invariants import BrokenInvariant
from server.domain.posting import check_invariants
from server.domain.values import Quantity

TOO_LARGE = 2**63
ACCOUNT = Account(
    id="account", user_id="user", created_at=0, deposits=10, balance=TOO_LARGE - 1, reserved=7
)
POSITION = Position(
    account_id="account",
    symbol="AAPL",
    quantity=Quantity(TOO_LARGE - 1),
    reserved_quantity=Quantity(5),
)


@pytest.mark.parametrize(
    ("account", "position"),
    [
        ({}, {}),
        ({"reserved": 0, "balance": 0}, {"reserved_quantity": 0, "quantity": 0}),
        ({"reserved": 3, "balance": 3}, {"reserved_quantity": 3, "quantity": 3}),
        ({"realized_pnl": 1 - TOO_LARGE}, {}),
    ],
)
def test_a_state_in_order_passes(account: dict[str, Any], position: dict[str, Any]) -> None:
    check_invariants(replace(ACCOUNT, **account), replace(POSITION, **position))


@pytest.mark.parametrize(
    "change",
    [
        {"reserved": -1},
        {"reserved": 8, "balance": 7},
        {"live_orders": -1},
        {"balance": TOO_LARGE},
        {"realized_pnl": TOO_LARGE},
        {"realized_pnl": -TOO_LARGE},
        {"fees_paid": TOO_LARGE},
        {"statistics": TradeStatistics(gross_profit=TOO_LARGE)},
        {"statistics": TradeStatistics(gross_loss=TOO_LARGE)},
    ],
)
def test_an_account_out_of_order_does_not(change: dict[str, Any]) -> None:
    with pytest.raises(BrokenInvariant, match="account account"):
        check_invariants(replace(ACCOUNT, **change), POSITION)


@pytest.mark.parametrize(
    "change",
    [
        {"reserved_quantity": -1},
        {"reserved_quantity": 6, "quantity": 5},
        {"quantity": TOO_LARGE},
        {"cost_basis": TOO_LARGE},
        {"buy_fees": TOO_LARGE},
        {"bid_taken": TOO_LARGE},
        {"ask_taken": TOO_LARGE},
    ],
)
def test_a_position_out_of_order_does_not(change: dict[str, Any]) -> None:
    with pytest.raises(BrokenInvariant, match="account account"):
        check_invariants(ACCOUNT, replace(POSITION, **change))
