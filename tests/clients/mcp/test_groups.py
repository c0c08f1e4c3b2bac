"""Groups of orders that an agent places."""

from tests.clients.mcp.conftest import Agent
from tests.clients.mcp.test_tools import BUY, WAITING


async def test_an_agent_places_exits_with_its_order(agent: Agent) -> None:
    content, text = await agent("place_order", **BUY, take_profit=150, stop_loss=90)
    again, told = await agent("place_order", **BUY, take_profit=150, stop_loss=90)
    single, _ = await agent("place_order", **WAITING, stop_loss="80")
    pair, _ = await agent(
        "place_order", symbol="AAPL", side="SELL", quantity=99, take_profit=150, stop_loss=90
    )

    order = content["order"]
    assert (order["order_class"], order["status"]) == ("BRACKET", "FILLED")
    assert [leg["leg"] for leg in order["legs"]] == ["TAKE_PROFIT", "STOP_LOSS"]
    assert "\nTAKE_PROFIT: SELL 10 AAPL LIMIT limit 150 GTC: OPEN. id " in text
    assert (again["order"]["id"], told[:7]) == (order["id"], "Nothing")
    assert single["order"]["order_class"] == "OTO"
    assert single["order"]["legs"][0]["held"]
    assert pair["order"]["rejection_reason"] == "INSUFFICIENT_POSITION"
