"""Options that expire in a margin account: settled in full, beside a loan and a short position."""

from datetime import datetime
from decimal import ROUND_UP, Decimal
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from bottrading.v1 import error_reason_pb2
from bottrading.v1.instrument_pb2 import ASSET_TYPE_OPTION, OPTION_RIGHT_CALL
from tests.support.accounts import kpi_of, on_margin
from tests.support.audit import audit
from tests.support.venue import Bot, Venue


async def call_option(bot: Bot) -> Any:
    """Return the first call option that expires, one minute before it does."""
    listed = (await bot.call("ListInstruments", asset_type=ASSET_TYPE_OPTION)).instruments
    calls = [it for it in listed if it.option_right == OPTION_RIGHT_CALL]
    option = min(calls, key=lambda it: (it.expiry, it.symbol))
    expiry = Timestamp()
    expiry.FromDatetime(datetime.fromisoformat(f"{option.expiry}T23:59:00"))
    bot.venue.clock.now = expiry.ToMicroseconds()
    return option


async def test_a_settlement_is_paid_into_a_loan_and_charged_for_the_night(venue: Venue) -> None:
    """Two calls bought at 4.00 pay 10.00 each: a profit of 1 200, which lowers the loan.

    The night is charged for the loan before the settlement, at 8 % a year.
    """
    bot = await venue.bot()
    option = await call_option(bot)
    price = Decimal(option.strike) + 10
    await on_margin(bot)
    await venue.publish(option.underlying, str(price), str(price))
    await venue.publish(option.symbol, "4", "4")
    shares = int(150_000 / price)
    await bot.place(option.underlying, "BUY", str(shares))
    bought = await bot.place(option.symbol, "BUY", "2")
    sold = await bot.place(option.symbol, "SELL", "2", limit_price="90")
    short = await bot.place(option.symbol, "SELL", "3")
    venue.pass_time()
    before = await bot.portfolio()
    assert Decimal(before.balance) == 100_000 - shares * price - 800 < 0
    assert bought.filled_quantity == "2.00000000"
    assert short.rejection_reason == error_reason_pb2.ERROR_REASON_INSUFFICIENT_POSITION

    venue.pass_time(seconds=60)

    after, kpi = await bot.portfolio(), await kpi_of(bot)
    assert [held.symbol for held in after.positions] == [option.underlying]
    assert (await bot.order(sold.id)).filled_quantity == "0.00000000"
    a_night = -Decimal(before.balance) * Decimal("0.08") / 365
    interest = a_night.quantize(Decimal("0.01"), ROUND_UP)
    assert interest > 10
    assert after.interest_paid == str(interest)
    assert Decimal(after.balance) == Decimal(before.balance) + 2_000 - interest
    assert after.realized_pnl == "1200.00"
    assert (kpi.total_trades, kpi.expectancy) == (1, 1_200)
    await venue.stop()
    audit(venue.settings.data_dir)
