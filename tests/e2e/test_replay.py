"""A replay as an operator runs it: its file, its clock, and its resumption after a restart."""

import asyncio
import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bottrading.v1 import account_pb2, key_management_pb2, market_data_pb2, order_pb2
from bottrading.v1 import bot_trading_pb2 as pb
from server.config import Settings
from server.domain.values import DAY, SECOND
from server.market.replay_file import check_replay_file
from server.market.sessions import AlwaysOpen
from server.market.universe_file import default_universe
from server.processes import announcing
from server.processes.starting import check_market
from tests.support.process import Process
from tests.support.venue import Venue, VenueFactory, told

SAMPLE = Path(__file__).parents[2] / "examples/replay/a-year-of-days.csv"
BARS = """time,symbol,open,high,low,close,volume
2025-01-02,AAPL,250,252,249,251,400000
2025-01-03,AAPL,251,255,250,254,400000
2025-01-06,AAPL,254,256,240,241,400000
"""
YEAR_2025 = 1_735_689_600


def pass_real_seconds(venue: Venue, seconds: float) -> None:
    """Let real time pass, and the replay with it until nothing more is due."""
    venue.pass_time(seconds=seconds)
    before = -1
    while venue.parts.clock() != before:
        before = venue.parts.clock()
        venue.pass_time(seconds=0)


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    path = tmp_path / "bars.csv"
    path.write_text(BARS)
    return path


async def test_a_bot_trades_in_the_time_of_the_file(start_venue: VenueFactory, bars: Path) -> None:
    venue = await start_venue(market="replay", replay_file=bars, replay_speed=float(3_600))
    pass_real_seconds(venue, 0)
    pass_real_seconds(venue, 1)
    bot = await venue.bot()

    order = await bot.place("AAPL", quantity="10")
    day = await bot.place("AAPL", quantity="1", limit_price="200.00", time_in_force="DAY")
    stop = await bot.place(
        "AAPL", "SELL", "10", order_type=order_pb2.ORDER_TYPE_STOP, stop_price="245.00"
    )
    clock = (await bot.call("GetMarketClock")).clock
    pass_real_seconds(venue, 24)
    next_day = (await bot.order(day.id), await bot.order(stop.id))
    pass_real_seconds(venue, 24 * 4)
    sold = await bot.order(stop.id)

    assert order.filled_price == "250.01000000"
    assert order.created_at.seconds == YEAR_2025 + 86_400 + 15 * 3_600 + 1_800 - 1
    assert clock.time == order.created_at
    opening, end = YEAR_2025 + 86_400 + 14 * 3_600 + 1_800, YEAR_2025 + 5 * 86_400 + 21 * 3_600
    assert clock.replay.starts_at.ToMicroseconds() == opening * SECOND - 1
    assert clock.replay.ends_at.ToMicroseconds() == end * SECOND - 1_000
    assert clock.replay.speed == 3_600
    assert next_day[0].status_reason == order_pb2.STATUS_REASON_EXPIRED_DAY
    assert next_day[1].status == order_pb2.ORDER_STATUS_OPEN
    assert sold.filled_price == "240.00000000"
    account = (await bot.call("GetAccount")).account
    assert account.environment == 3


async def test_a_restarted_replay_goes_on_where_it_was(
    start_venue: VenueFactory, bars: Path
) -> None:
    options: dict[str, Any] = {"market": "replay", "replay_file": bars, "replay_speed": 86_400.0}
    venue = await start_venue(**options)
    await venue.bot()
    pass_real_seconds(venue, 0)
    pass_real_seconds(venue, 1.5)
    reached = venue.parts.clock()
    await venue.stop()

    again = await start_venue(**options, now=venue.clock.now + 1_000 * DAY)
    assert again.parts.clock() == reached
    again.pass_time(seconds=0)
    assert again.parts.clock() == reached, "no time passed while nobody played"


def serve(data_dir: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "server", "serve", "--data-dir", str(data_dir), "--no-rest"]
    return subprocess.run(
        [*command, "--grpc", "127.0.0.1:0", *options],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


async def test_a_data_directory_belongs_to_one_time(
    start_venue: VenueFactory, bars: Path, tmp_path: Path
) -> None:
    """An account's log cannot go back to an earlier year, nor forward out of a replay."""
    venue = await start_venue(market="replay", replay_file=bars)
    await venue.bot()
    pass_real_seconds(venue, 0)
    await venue.stop()
    other = tmp_path / "other.csv"
    other.write_text(BARS + "2025-01-07,AAPL,241,243,240,242,400000\n")

    for options in (
        ["--market", "published"],
        ["--market", "replay", "--replay-file", str(other)],
    ):
        done = serve(venue.settings.data_dir, *options)
        assert done.returncode == 2
        assert "its accounts follow another market's clock" in done.stderr


async def test_a_replay_of_the_future_goes_on_with_the_options_of_its_time(
    start_venue: VenueFactory, tmp_path: Path
) -> None:
    """The options are not listed yet in the year of the replay."""
    option = "AAPL300118C00260000"
    path = tmp_path / "future.csv"
    path.write_text(
        "time,symbol,bid,bid_size,ask,ask_size\n"
        f"2030-01-10T15:00:00Z,{option},1,100,2,100\n"
        "2030-01-10T15:10:00Z,AAPL,299,1000,300,1000\n"
    )
    options: dict[str, Any] = {"replay_file": str(path), "sessions": "always-open"}
    venue = await start_venue(market="replay", **options)
    pass_real_seconds(venue, 0)
    pass_real_seconds(venue, 1)
    order = await (await venue.bot()).place(option, quantity="1")
    assert order.status == order_pb2.ORDER_STATUS_FILLED

    with Process(venue.settings.data_dir, market="replay", **options) as again:
        assert again.is_serving()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty"),
        ("time,symbol,open,high,low,close\n2025-01-02,NOPE,1,2,1,2\n", "line 2: .*NOPE"),
        ("time,symbol,open,high,low,close\n2025-01-02,AAPL,9,2,1,2\n", "line 2: "),
        ("time,symbol,open,high,low,close\n2025-01-04,AAPL,1,2,1,2\n", "line 2: "),
    ],
)
def test_a_wrong_file_is_one_line_and_no_server(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "wrong.csv"
    path.write_text(content)
    done = serve(tmp_path / "data", "--market", "replay", "--replay-file", str(path))
    assert done.returncode == 2
    assert re.fullmatch(rf"bottrading: .*wrong\.csv: {problem}.*\n", done.stderr), done.stderr


async def test_the_sample_is_a_year(start_venue: VenueFactory) -> None:
    """A year in four seconds of real time, with its days' ends and snapshots as they came."""
    venue = await start_venue(
        market="replay",
        replay_file=SAMPLE,
        replay_speed=10_000_000.0,
        snapshot_interval_seconds=86_400,
    )
    pass_real_seconds(venue, 0)
    bot = await venue.bot()
    request = pb.PlaceOrderRequest(symbol="BTC-USD", side=order_pb2.SIDE_BUY, quantity="0.1")
    pass_real_seconds(venue, 0.01)
    await bot.trading.PlaceOrder(request, metadata=bot.metadata)
    for _ in range(40):
        pass_real_seconds(venue, 0.1)

    end = venue.parts.clock()
    kpi = (await bot.call("GetTradingKpi")).kpi
    assert end > (YEAR_2025 + 363 * 86_400) * SECOND
    assert not venue.parts.feed.source.is_due(end)
    assert kpi.HasField("sharpe_ratio")
    quote = await bot.market.GetQuote(
        market_data_pb2.GetQuoteRequest(symbol="BTC-USD"), metadata=bot.metadata
    )
    assert not quote.quote.stale, "at the end of the file its last quotes stand"


async def test_a_market_order_before_the_first_session_waits_for_it_as_in_later_nights(
    start_venue: VenueFactory, tmp_path: Path
) -> None:
    path = tmp_path / "night.csv"
    path.write_text(BARS.replace("\n", "\n2025-01-02,BTC-USD,90000,90000,90000,90000,400\n", 1))
    venue = await start_venue(market="replay", replay_file=path, replay_speed=float(3_600))
    pass_real_seconds(venue, 0)
    pass_real_seconds(venue, 2)
    bot = await venue.bot()

    first = await bot.place("AAPL", quantity="10")
    pass_real_seconds(venue, 22)
    second = await bot.place("AAPL", quantity="10")
    waiting = (await bot.order(first.id), await bot.order(second.id))
    pass_real_seconds(venue, 24)

    assert first.status == second.status == order_pb2.ORDER_STATUS_OPEN
    assert waiting[0].filled_price == "250.01000000"
    assert (await bot.order(second.id)).filled_price == "251.01000000"


async def test_an_instrument_without_volumes_can_be_traded_and_the_log_says_so_once(
    start_venue: VenueFactory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "zero.csv"
    header, *days = BARS.splitlines()
    rows = [f"{day[:10]},EUR-USD,1.03,1.035,1.025,1.032,0\n{day}" for day in days]
    path.write_text("\n".join([header, *rows]))
    venue = await start_venue(market="replay", replay_file=path, replay_speed=float(3_600))
    pass_real_seconds(venue, 0)
    pass_real_seconds(venue, 18)
    order = await (await venue.bot()).place("EUR-USD", quantity="500")
    assert order.status == order_pb2.ORDER_STATUS_FILLED

    check_market(venue.settings)
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: EUR-USD: no bar has a volume, so every quote shows its usual size, 1000000"
    ]


async def test_a_file_that_changes_while_it_plays_stops_the_market_and_nothing_else(
    start_venue: VenueFactory, bars: Path, caplog: pytest.LogCaptureFixture
) -> None:
    venue = await start_venue(market="replay", replay_file=bars, replay_speed=float(3_600))
    health = health_pb2_grpc.HealthStub(venue.channel)

    async def status() -> Any:
        return (await health.Check(health_pb2.HealthCheckRequest())).status

    await venue.front.server.set_ready(ready=True)
    pass_real_seconds(venue, 0)
    pass_real_seconds(venue, 1)
    bot = await venue.bot()
    order = await bot.place("AAPL", quantity="1", client_order_id="first")
    resting = [await bot.place("AAPL", quantity="1", limit_price="200.00") for _ in range(3)]
    serving = await status()
    await asyncio.to_thread(bars.write_text, BARS.replace("241,400000", "242.5,400000"))
    pass_real_seconds(venue, 24 * 5)
    stood = venue.parts.clock()
    for _ in range(20):
        pass_real_seconds(venue, 3_600)

    assert (serving, await status()) == (health_pb2.HealthCheckResponse.SERVING, 2)
    assert venue.parts.clock() == stood
    refused = [
        bot.place("AAPL", quantity="1"),
        bot.call("ReplaceOrder", order_id=resting[0].id, limit_price="201.00"),
    ]
    for call in refused:
        with pytest.raises(grpc.aio.AioRpcError, match="The market has stopped") as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert told(caught.value).executed == "false"
    repeated = await bot.place("AAPL", quantity="1", client_order_id="first")
    assert (repeated.id, repeated.replayed) == (order.id, True)
    assert (await bot.call("GetPortfolio")).portfolio.positions[0].symbol == "AAPL"
    assert (await bot.call("PreviewOrder", symbol="AAPL", side="SIDE_BUY", quantity="1")).preview
    assert (await bot.cancel(resting[0].id)).status == order_pb2.ORDER_STATUS_CANCELLED
    person = venue.person()
    (key,) = await person.list_keys()
    halt = key_management_pb2.SetTradingStateRequest(
        account_id=key.account_id, trading_state=account_pb2.TRADING_STATE_HALTED
    )
    await person.keys.SetTradingState(halt, metadata=person.metadata)
    assert (await bot.order(resting[1].id)).status == order_pb2.ORDER_STATUS_CANCELLED
    await person.revoke_key(key.id)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bot.order(order.id)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        f"The market has stopped and takes no more orders: {bars}: has changed since it was checked"
    ]


async def test_an_engine_that_starts_again_on_a_changed_file_lets_cancel_where_it_was(
    start_venue: VenueFactory, bars: Path
) -> None:
    """It must neither play another file nor begin this one again, because accounts are at a later
    time.
    """
    options: dict[str, Any] = {"replay_file": bars, "replay_speed": float(3_600)}
    venue = await start_venue(market="replay", **options)
    check_market(venue.settings)
    pass_real_seconds(venue, 0)
    pass_real_seconds(venue, 1)
    order = await (await venue.bot()).place("AAPL", quantity="1", limit_price="200.00")
    reached = venue.parts.clock()
    await venue.stop()
    await asyncio.to_thread(bars.write_text, BARS.replace("250,252", "251,252"))

    again = await start_venue(market="replay", **options)
    pass_real_seconds(again, 24)

    assert again.parts.clock() == reached
    bot = await again.bot()
    with pytest.raises(grpc.aio.AioRpcError, match="The market has stopped"):
        await bot.place("AAPL", quantity="1")
    assert (await bot.cancel(order.id)).status == order_pb2.ORDER_STATUS_CANCELLED


async def test_a_stopped_replay_is_not_told_of_as_if_it_went_on(
    bars: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(announcing, "REPLAY_LINE_SECONDS", 0)
    monkeypatch.setattr(announcing, "REPLAY_LOOK_SECONDS", 0)
    # While the time stands still, the estimate of the rest grows at every reading.
    estimates = itertools.count()
    monkeypatch.setattr(announcing, "_rest_of", lambda _: f"about {next(estimates)} min left")
    caplog.set_level("INFO")
    facts = check_replay_file(bars, default_universe(), AlwaysOpen())
    days = itertools.chain([0, 1, 2], itertools.repeat(3))
    announcer = announcing.Announcer(Settings(), cast("Any", None), facts, str)
    following = asyncio.create_task(announcer.follow_replay(lambda: facts.first + next(days) * DAY))
    for _ in range(100):
        await asyncio.sleep(0)
    following.cancel()

    assert [record.getMessage()[:18] for record in caplog.records] == [
        f"Replay: 2025-01-0{day}" for day in (2, 3, 4, 5)
    ]
