"""Groups of orders that an agent places."""

from bottrading_client import AsyncBotTradingClient, AsyncKeyManagementClient
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


async def test_an_agent_opens_a_short_with_its_exits(
    agent: Agent, client: AsyncBotTradingClient, person: AsyncKeyManagementClient
) -> None:
    """A SELL with exits would else be two exits of a long position."""
    short = {"symbol": "AAPL", "side": "SELL", "quantity": 10}
    account = await client.account()
    await person.set_margin_mode(account.bot_user_id, "MARGIN")

    exits = {"take_profit": 50, "stop_loss": 150}
    shown, _ = await agent("preview_order", **short, **exits, order_class="BRACKET")
    content, text = await agent("place_order", **short, **exits, order_class="BRACKET")
    again, told = await agent("place_order", **short, **exits, order_class="BRACKET")
    trailing, _ = await agent("place_order", **short, stop_loss_trail="5%", order_class="OTO")
    cover = {"symbol": "AAPL", "side": "BUY", "quantity": 1}
    pair, _ = await agent("place_order", **cover, **exits, order_class="OCO")

    order = content["order"]
    assert (order["order_class"], order["side"], order["status"]) == ("BRACKET", "SELL", "FILLED")
    assert [leg["side"] for leg in shown["preview"]["order"]["legs"]] == ["BUY", "BUY"]
    assert "\nSTOP_LOSS: BUY 10 AAPL STOP stop 150 GTC: OPEN. id " in text
    assert (again["order"]["id"], told[:7]) == (order["id"], "Nothing")
    assert trailing["order"]["order_class"] == "OTO"
    assert (pair["order"]["order_class"], pair["order"]["status"]) == ("OCO", "OPEN")
    [position] = (await client.portfolio()).positions
    assert position.quantity == -20


async def test_an_agent_places_a_stop_loss_that_trails(agent: Agent) -> None:
    """The same distance in other digits is the same order."""
    content, text = await agent("place_order", **BUY, take_profit=150, stop_loss_trail="5%")
    again, told = await agent("place_order", **BUY, take_profit=150, stop_loss_trail="5.0 %")
    by_amount, _ = await agent("place_order", **BUY, stop_loss_trail=5)
    wrong = await agent.refused("place_order", **BUY, stop_loss_trail="five")
    both = await agent.refused("place_order", **BUY, stop_loss=90, stop_loss_trail="5")

    leg = content["order"]["legs"][1]
    assert (leg["order_type"], leg["trail_percent"]) == ("TRAILING_STOP", "5.00000000")
    assert "\nSTOP_LOSS: SELL 10 AAPL TRAILING_STOP stop " in text
    assert (again["order"]["id"], told[:7]) == (content["order"]["id"], "Nothing")
    assert by_amount["order"]["order_class"] == "OTO"
    assert by_amount["order"]["legs"][0]["trail_amount"] == "5.00000000"
    assert wrong.startswith('stop_loss_trail is "5" for 5 US dollars')
    assert both.startswith("STOP_PRICE_NOT_ALLOWED: ")


async def test_an_agent_previews_exits_and_trails(agent: Agent) -> None:
    exits, text = await agent("preview_order", **BUY, take_profit=150, stop_loss_trail="5%")
    trail, _ = await agent("preview_order", **BUY, order_type="TRAILING_STOP", trail_amount=3)

    assert [leg["leg"] for leg in exits["preview"]["order"]["legs"]] == ["TAKE_PROFIT", "STOP_LOSS"]
    assert "\nSTOP_LOSS: SELL 10 AAPL TRAILING_STOP stop " in text
    assert trail["preview"]["order"]["trail_amount"] == "3.00000000"
    assert await agent("get_orders") == ({"orders": []}, "No orders.")


async def test_an_agent_replaces_the_trail_of_an_exit(agent: Agent) -> None:
    content, _ = await agent("place_order", **WAITING, stop_loss_trail="5%")
    (leg,) = content["order"]["legs"]

    replaced, text = await agent("replace_order", order_id=leg["id"], trail_amount=7)

    assert replaced["order"]["trail_amount"] == "7.00000000"
    assert replaced["order"]["parent_order_id"] == content["order"]["id"]
    assert text.startswith("STOP_LOSS, held until its entry fills: SELL 10 AAPL TRAILING_STOP")
