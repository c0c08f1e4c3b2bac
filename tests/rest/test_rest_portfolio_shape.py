"""What the public documentation promises of a portfolio, field by field."""

import httpx

from bottrading.v1 import account_pb2 as account
from bottrading.v1 import bot_trading_pb2 as trading
from bottrading.v1 import instrument_pb2 as instrument
from bottrading.v1 import portfolio_pb2 as portfolio
from tests.rest.support import ServerDouble


def test_the_portfolio_is_answered_as_documented(
    client: httpx.Client, server: ServerDouble
) -> None:
    position = portfolio.Position(
        symbol="AAPL",
        asset_type=instrument.ASSET_TYPE_STOCK,
        quantity="10.00000000",
        avg_cost="185.50000000",
        market_value="1870.00000000",
        unrealized_pnl="15.00",
        unrealized_pnl_pct="0.81",
        reserved_quantity="0.00000000",
        open_buy_quantity="0.00000000",
    )
    server.outcomes["GetPortfolio"] = trading.GetPortfolioResponse(
        portfolio=portfolio.Portfolio(
            balance="50000.00",
            total_equity="62500.00",
            positions=[position],
            total_unrealized_pnl="15.00",
            buying_power="49000.00",
            reserved="1000.00",
            realized_pnl="-3.00",
            fees_paid="4.00",
            environment=account.ENVIRONMENT_SIMULATED,
            margin_mode=account.MARGIN_MODE_CASH,
            loan="0.00",
            interest_paid="0.00",
        )
    )

    assert client.get("/portfolio").json() == {
        "balance": "50000.00",
        "total_equity": "62500.00",
        "positions": [
            {
                "symbol": "AAPL",
                "asset_type": "STOCK",
                "quantity": "10.00000000",
                "avg_cost": "185.50000000",
                "current_price": None,
                "market_value": "1870.00000000",
                "unrealized_pnl": "15.00",
                "unrealized_pnl_pct": "0.81",
                "reserved_quantity": "0.00000000",
                "open_buy_quantity": "0.00000000",
                "margin": None,
            }
        ],
        "total_unrealized_pnl": "15.00",
        "buying_power": "49000.00",
        "reserved": "1000.00",
        "realized_pnl": "-3.00",
        "fees_paid": "4.00",
        "environment": "SIMULATED",
        "margin_mode": "CASH",
        "margin": None,
        "maintenance_margin": None,
        "free_margin": None,
        "loan": "0.00",
        "interest_paid": "0.00",
    }
