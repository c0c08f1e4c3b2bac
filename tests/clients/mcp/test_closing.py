"""The tool that closes positions, called as an agent calls it."""

from tests.clients.mcp.conftest import Agent
from tests.clients.mcp.test_tools import BUY


async def test_a_position_is_closed_as_a_whole_or_in_parts_that_are_not_repeated(
    agent: Agent,
) -> None:
    await agent("place_order", **BUY)

    half, text = await agent("close_position", symbol="AAPL", percentage=50)
    again, told = await agent("close_position", symbol="aapl", percentage="50.0")
    other, _ = await agent("close_position", symbol="AAPL", quantity=1, client_order_id="mine")
    rest, _ = await agent("close_position", symbol="AAPL")
    gone = await agent.refused("close_position", symbol="AAPL")

    assert text.startswith("SELL 5 AAPL MARKET GTC: FILLED, 5 filled at 100")
    assert again["order"]["id"] == half["order"]["id"]
    assert told.startswith("Nothing new was placed: this part was closed 0 s ago;")
    assert (other["order"]["quantity"], rest["order"]["quantity"]) == ("1.00000000", "4.00000000")
    assert gone.startswith("POSITION_NOT_FOUND: ")
