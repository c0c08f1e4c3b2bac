"""Margin accounts as an agent reads and trades them."""

from mcp import Client

from bottrading_client import AsyncBotTradingClient, AsyncKeyManagementClient
from bottrading_mcp import build_server
from tests.clients.mcp.conftest import Agent
from tests.clients.stepped import NewVenue
from tests.support.venue import Venue

SELL = {"symbol": "AAPL", "side": "SELL"}


async def allow_margin(person: AsyncKeyManagementClient, client: AsyncBotTradingClient) -> None:
    await person.set_margin_mode((await client.account()).bot_user_id, "MARGIN")


async def test_an_agent_reads_what_a_short_position_binds_and_closes_it(
    agent: Agent, person: AsyncKeyManagementClient, client: AsyncBotTradingClient
) -> None:
    """Ten are sold at 100; at the mark of 100.50 they are worth 1 005."""
    _, in_cash = await agent("get_portfolio")
    await allow_margin(person, client)
    await agent("place_order", **SELL, quantity=10)

    _, who = await agent("get_bot_account")
    content, has = await agent("get_portfolio")
    _, closed = await agent("close_position", symbol="AAPL")

    assert "MARGIN" not in in_cash
    assert 'Account of "ada", ACTIVE, MARGIN: it may borrow and sell short, virtual' in who
    assert content["portfolio"]["positions"][0]["margin"] == "502.50"
    assert has.splitlines() == [
        "Equity 99995: balance 101000 and positions; buying power 198985, unrealised P&L -5.",
        "MARGIN account: margin 502.5, free margin 99492.5, maintenance margin 301.5, loan 0,"
        " interest paid 0.",
        "AAPL: short 10, sold at 100, owes 1005, unrealised P&L -5",
    ]
    assert closed.startswith("BUY 10 AAPL MARKET GTC: FILLED, 10 filled at 101")


async def test_an_agent_is_told_that_margin_runs_out(
    agent: Agent, person: AsyncKeyManagementClient, client: AsyncBotTradingClient, quoted: Venue
) -> None:
    """A short of 1 500: its maintenance margin is 54 000 at 120, and 58 500 at 130."""
    await allow_margin(person, client)
    await quoted.publish("AAPL", "100", "100", size="5000")
    await agent("place_order", **SELL, quantity=1500)
    said = []
    for price in ("100", "120", "130"):
        await quoted.publish("AAPL", price, price, size="5000")
        said.append((await agent("get_portfolio"))[1].splitlines()[2:-1])

    assert said == [
        [],
        ["Free margin is below 0: only orders that reduce positions are accepted."],
        [
            "MARGIN CALL: equity is below the maintenance margin.",
            "Free margin is below 0: only orders that reduce positions are accepted.",
        ],
    ]


async def test_an_agent_learns_of_interest_and_a_margin_call_when_it_moves_the_clock(
    new_venue: NewVenue,
) -> None:
    """A short of 1 950 at 100 costs 5.45 at 102 and 5.83 at 109, and is called at 118."""
    async with new_venue() as venue:
        key, token = (await venue.bot()).key, venue.token()
        async with (
            AsyncBotTradingClient(key, venue.address) as client,
            AsyncKeyManagementClient(token, venue.address) as person,
            Client(build_server(client)) as connection,
        ):
            agent = Agent(connection)
            await allow_margin(person, client)
            await agent("advance_clock", until="2025-01-03T00:00:30Z")
            sold, text = await agent("place_order", **SELL, quantity=1950)
            told = [(await agent("advance_clock"))[1] for _ in range(3)]

    assert sold["order"]["filled_price"] == "100.00000000", text
    assert told[0].splitlines()[1:] == [
        "INTEREST: 0 for the loan and 5.45 for borrowed shares were charged."
    ]
    assert told[2].splitlines()[1] == (
        "MARGIN_CALL: equity 64888.72 is below the maintenance margin 69030: the venue closes"
        " positions."
    )
