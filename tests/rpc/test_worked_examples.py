"""The worked examples in the guide for authors of bots, played row by row to the cent."""

import re
from pathlib import Path
from typing import Any

import pytest

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import order_pb2
from tests.support.venue import Bot, Venue

GUIDE = (Path(__file__).parents[2] / "docs/bot-authors.md").read_text()
FIXED = {"take_profit": pb.TakeProfit(limit_price="110"), "stop_loss": pb.StopLoss(stop_price="95")}
TRAILING = {
    "take_profit": pb.TakeProfit(limit_price="130"),
    "stop_loss": pb.StopLoss(trail_amount="5"),
}


def tables(first_column: str) -> list[list[dict[str, str]]]:
    """Return the tables whose first column has this name, each row by the names of the columns."""
    found = []
    for text in re.findall(rf"(?m)^\| {first_column} \|.*\n(?:\|.*\n)+", GUIDE):
        head, _, *rows = (
            [cell.strip(" `") for cell in row.split("|")[1:-1]] for row in text.split("\n")[:-1]
        )
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


async def balance_of(bot: Bot) -> str:
    return str((await bot.portfolio()).balance)


async def held_by(bot: Bot) -> str:
    positions = (await bot.portfolio()).positions
    return positions[0].quantity.partition(".")[0] if positions else "0"


@pytest.mark.parametrize(
    ("number", "exits"),
    [(0, FIXED), (1, FIXED), (2, TRAILING)],
    ids=["takes profit", "stops out on a gap", "trails"],
)
async def test_a_bracket_does_what_the_guide_tells(
    venue: Venue, number: int, exits: dict[str, Any]
) -> None:
    bot, placed = await venue.bot(), None
    rows = tables("quote of AAPL")[number]
    assert len(rows) > 1
    for row in rows:
        bid, _, ask = row["quote of AAPL"].partition(" / ")
        await venue.publish("AAPL", bid, ask)
        if placed is None:
            placed = await bot.place(order_class=order_pb2.ORDER_CLASS_BRACKET, **exits)
        venue.pass_time()
        stop_loss = (await bot.order(placed.id)).legs[1]

        assert await held_by(bot) == row["position"]
        assert await balance_of(bot) == f"{row['balance'].replace(' ', '')}.00"
        if "stop_price" in row:
            assert float(stop_loss.stop_price) == float(row["stop_price"])
    assert len([it for it in tables("quote of AAPL") if "position" in it[0]]) == 3


async def test_a_trailing_stop_does_what_the_guide_tells(venue: Venue) -> None:
    """Bought for 1000.00 and sold for 1040.00."""
    bot, placed = await venue.bot(), None
    (rows,) = tables("bid")
    await venue.publish("AAPL", "99.00", "100.00")
    await bot.place()
    for row in rows:
        await venue.publish("AAPL", row["bid"], f"{float(row['bid']) + 1:.2f}")
        if placed is None:
            placed = await bot.place(
                side="SELL", order_type=order_pb2.ORDER_TYPE_TRAILING_STOP, trail_amount="5"
            )
        venue.pass_time()
        order = await bot.order(placed.id)
        assert float(order.stop_price) == float(row["stop_price"])
        is_last = row is rows[-1]
        assert (order.status == order_pb2.ORDER_STATUS_FILLED) is is_last
        assert await balance_of(bot) == ("100040.00" if is_last else "99000.00")
