"""The simulated source: repeatable from its secret, fair, and unpredictable."""

import math
from datetime import UTC, datetime
from itertools import pairwise
from statistics import fmean

import pytest

from server.application.staging import Stage
from server.domain.instrument import AssetType, Instrument, LiquidityClass, OptionRight
from server.domain.quote import Quote, refusal
from server.domain.values import CENT, DAY, SCALE, SECOND, Micros, Price, Units, parse_units
from server.market.brownian_path import HORIZON
from server.market.listing import Listing
from server.market.moments import from_datetime, to_datetime
from server.market.options import OptionChain
from server.market.secret import MarketSecret, secret_from_seed
from server.market.simulated import ANNUAL_SECONDS, SimulatedSource, TickNotDueError
from server.market.universe import Universe
from server.market.universe_file import default_universe

SECRET = secret_from_seed(7)
ORIGIN = SECRET.origin
UNIVERSE = default_universe()
FAR_TICKS = [0, 1, 86_399, 86_400, 40 * 86_400 + 17, ANNUAL_SECONDS, HORIZON // 2, HORIZON]


def source(secret: MarketSecret = SECRET, universe: Universe = UNIVERSE) -> SimulatedSource:
    return SimulatedSource(universe=universe, secret=secret)


def at(tick: int) -> Micros:
    return ORIGIN + tick * SECOND


def listing(
    symbol: str, *, level: str = "100", volatility: float = 0.3, price_tick: Units = CENT
) -> Listing:
    return Listing(
        instrument=Instrument(
            symbol=symbol, name=symbol, asset_type=AssetType.STOCK, price_tick=Price(price_tick)
        ),
        level=parse_units(level),
        annual_volatility=volatility,
        spread_bps=1,
    )


def quotes_of(market: SimulatedSource, now: Micros) -> list[Quote]:
    """Poll and play the tick that is due."""
    (step,) = market.poll(now)
    assert step.time == now
    with Stage() as stage:
        market.play(step, stage)
        stage.publish()
    return list(step.quotes)


def middle(quote: Quote) -> float:
    return (quote.bid + quote.ask) / 2 / SCALE


def test_the_same_secret_shows_the_same_quotes_in_another_process_and_order() -> None:
    polled = source()
    other = source(MarketSecret(SECRET.key, SECRET.origin), default_universe())
    ticks = [0, 1, 2, 3, 60, 61, 5_000]
    quotes = [quote for tick in ticks for quote in quotes_of(polled, at(tick))]
    assert len(quotes) == len(ticks) * len(UNIVERSE.listings(ORIGIN))
    for quote in reversed(quotes):
        assert other.quote_at(quote.symbol, quote.sequence, at(9_999)) == quote


def test_another_secret_shows_other_prices() -> None:
    prices = [
        [middle(quote) for quote in quotes_of(source(secret_from_seed(seed)), at(3_600))]
        for seed in (7, 8)
    ]
    same = sum(first == second for first, second in zip(*prices, strict=True))
    assert same < len(prices[0]) / 10


def test_a_release_does_not_move_a_running_market() -> None:
    """Pinned: a change of these numbers would make every running venue's prices jump."""
    universe = Universe(listings=[listing("AAA", level="250"), listing("BBB", level="4")])
    market = source(universe=universe)
    shown = [
        (symbol, tick, quote.bid / SCALE, quote.bid_size // SCALE, quote.ask / SCALE)
        for symbol in ("AAA", "BBB")
        for tick in (1, 86_400, 20_000_000)
        for quote in [market.quote_at(symbol, tick, at(tick))]
    ]
    assert shown == [
        ("AAA", 1, 249.96, 1076, 249.99),
        ("AAA", 86400, 246.93, 243, 246.95),
        ("AAA", 20000000, 209.63, 1937, 209.65),
        ("BBB", 1, 4.0, 1886, 4.01),
        ("BBB", 86400, 4.08, 191, 4.09),
        ("BBB", 20000000, 2.81, 1103, 2.82),
    ]


def test_prices_begin_at_their_level() -> None:
    for quote in quotes_of(source(), ORIGIN):
        level = UNIVERSE.listings(ORIGIN)[quote.symbol].level
        if UNIVERSE.instruments(ORIGIN)[quote.symbol].option is None:
            assert quote.bid <= level <= quote.ask


def test_nothing_is_told_of_a_tick_that_is_not_due() -> None:
    market = source()
    due = market.quote_at("AAPL", 10, at(10))
    assert due.sequence == 10
    for tick, now in [(11, at(11) - 1), (11, at(10)), (10**9, at(10)), (0, ORIGIN - 1)]:
        with pytest.raises(TickNotDueError):
            market.quote_at("AAPL", tick, now)
    for tick in (-1, HORIZON + 1):
        with pytest.raises(TickNotDueError):
            market.quote_at("AAPL", tick, at(HORIZON + 5))


def test_an_unlisted_symbol_has_no_quote() -> None:
    with pytest.raises(KeyError):
        source().quote_at("NOPE", 1, at(1))


def test_a_tick_is_polled_once_and_missed_ticks_are_skipped() -> None:
    market = source()
    steps = [
        (ORIGIN - 1, None),
        (ORIGIN, 0),
        (at(1) - 1, None),
        (at(1), 1),
        (at(1) + 999_999, None),
        (at(7) + 500_000, 7),
        (at(3), None),
        (at(8) - 1, None),
        (at(8), 8),
    ]
    for now, tick in steps:
        quotes = quotes_of(market, now)
        assert {quote.sequence for quote in quotes} == (set() if tick is None else {tick})
        assert {quote.time for quote in quotes} == (set() if tick is None else {at(tick)})


def test_the_source_says_when_to_poll_next() -> None:
    market = source()
    assert market.due_in(ORIGIN - 5) == 5
    assert market.due_in(at(3) + 1) == 0
    assert not market.is_due(ORIGIN - 5)
    assert market.is_due(at(3) + 1)
    quotes_of(market, at(3) + 1)
    assert not market.is_due(at(3) + 2)
    assert market.due_in(at(3) + 2) == SECOND - 2
    assert market.due_in(at(9) + 2) == 0


def test_a_market_goes_on_after_the_clock_has_been_ahead() -> None:
    market = source()
    quotes_of(market, at(100_000))
    assert market.is_due(at(40))
    assert market.due_in(at(40)) == 0

    assert {quote.time for quote in quotes_of(market, at(40))} == {at(40)}
    assert not market.is_due(at(40))
    # A clock that is put right by a few seconds shows no earlier tick again.
    assert not market.is_due(at(36))


def test_a_tick_that_is_played_without_a_commit_is_due_again() -> None:
    market = source()
    quotes_of(market, at(3))
    (lost,) = market.poll(at(5))
    with Stage() as stage:
        market.play(lost, stage)
        assert not market.is_due(at(5))
    assert market.is_due(at(5))
    assert market.poll(at(5)) == [lost]


def test_a_market_ends_at_its_horizon() -> None:
    market = source()
    assert {quote.sequence for quote in quotes_of(market, at(HORIZON + 60))} == {HORIZON}
    assert quotes_of(market, at(HORIZON + 61)) == []
    assert market.due_in(at(HORIZON + 61)) is None


@pytest.mark.parametrize("tick", [*FAR_TICKS, *range(100_000, 100_060)])
def test_every_quote_is_one_that_the_venue_accepts(tick: int) -> None:
    now = at(tick)
    listings = UNIVERSE.listings(now)
    quotes = quotes_of(source(), now)
    assert [quote.symbol for quote in quotes] == list(listings)
    for quote in quotes:
        instrument = listings[quote.symbol].instrument
        assert refusal(quote, None, now) is None
        assert quote.bid < quote.ask
        assert quote.bid <= quote.last <= quote.ask
        assert max(quote.bid, quote.ask, quote.bid_size, quote.ask_size) < 10**10 * SCALE
        for price in (quote.bid, quote.ask, quote.last):
            assert price % instrument.price_tick == 0
        for size in (quote.bid_size, quote.ask_size):
            assert size % instrument.quantity_step == 0


def test_sizes_spread_over_the_range_of_their_liquidity_class() -> None:
    market = source()
    lots: dict[LiquidityClass, list[int]] = {liquidity: [] for liquidity in LiquidityClass}
    for tick in range(200):
        for quote in quotes_of(market, at(tick)):
            shown = UNIVERSE.listings(ORIGIN)[quote.symbol]
            sizes = lots[shown.instrument.liquidity_class]
            sizes += [quote.bid_size // shown.lot, quote.ask_size // shown.lot]
    assert (min(lots[LiquidityClass.LIQUID]), max(lots[LiquidityClass.LIQUID])) == (100, 2_000)
    assert (min(lots[LiquidityClass.THIN]), max(lots[LiquidityClass.THIN])) == (5, 100)


def test_the_spread_is_the_usual_one_on_average_and_never_below_a_tick() -> None:
    market = source()
    spreads = [
        (quote.ask - quote.bid) / middle(quote) / SCALE * 10_000
        for quote in (market.quote_at("BTC-USD", tick, at(2_000)) for tick in range(2_000))
    ]
    assert fmean(spreads) == pytest.approx(1.0, rel=0.02)
    assert min(spreads) > 0.7
    assert max(spreads) < 1.3


@pytest.mark.parametrize(
    ("symbol", "seconds"), [("AAPL", 60), ("EUR-USD", 300), ("BTC-USD", 1), ("MGC", 600)]
)
def test_realised_volatility_is_the_listed_one(symbol: str, seconds: int) -> None:
    market = source()
    count = 3_000
    now = at(count * seconds)
    prices = [
        math.log(middle(market.quote_at(symbol, number * seconds, now))) for number in range(count)
    ]
    returns = [after - before for before, after in pairwise(prices)]
    realised = (fmean(change * change for change in returns) / seconds * ANNUAL_SECONDS) ** 0.5
    assert realised == pytest.approx(UNIVERSE.listings(ORIGIN)[symbol].annual_volatility, rel=0.06)


def test_holding_earns_nothing_on_average() -> None:
    """Without the correction of −σ²/2 the mean would be a fifth above the level after a year."""
    universe = Universe(listings=[listing(f"S{number}", volatility=0.6) for number in range(3_000)])
    prices = [middle(quote) for quote in quotes_of(source(universe=universe), at(ANNUAL_SECONDS))]
    # A log-normal price with σ = 0.6 has a relative deviation of √(e^0.36 − 1) = 0.66.
    assert fmean(prices) / 100 == pytest.approx(1, abs=4 * 0.66 / 3_000**0.5)


@pytest.mark.parametrize("level", ["0.02", "0.5", "7", "100", "25000"])
def test_no_quote_offers_a_bargain(level: str) -> None:
    """Bid ≤ price ≤ ask, where the price is what a much finer tick shows on the same path."""
    coarse = Universe(listings=[listing("AAA", level=level, volatility=2)])
    fine = Universe(listings=[listing("AAA", level=level, volatility=2, price_tick=1)])
    for tick in range(0, 3_000_000, 9_973):
        quote = source(universe=coarse).quote_at("AAA", tick, at(tick))
        price = source(universe=fine).quote_at("AAA", tick, at(tick)).last
        assert price <= quote.ask + 1
        assert quote.bid <= price + 1 or (quote.bid == CENT and quote.bid_size == 0)


def test_prices_stay_positive_and_short_whatever_the_market_does() -> None:
    wild = Universe(
        listings=[
            listing("TOP", level="999999999", volatility=5),
            listing("LOW", level="0.01", volatility=5),
            listing("ONE", level="0.00000001", volatility=5, price_tick=1),
        ]
    )
    asks = []
    for seed in range(100):
        market = source(secret_from_seed(seed), wild)
        for tick in [0, ANNUAL_SECONDS // 10, ANNUAL_SECONDS // 5, ANNUAL_SECONDS, HORIZON]:
            for quote in quotes_of(market, at(tick)):
                assert 0 < quote.bid < quote.ask < 10**10 * SCALE
                asks.append(quote.ask)
    assert max(asks) == 10**10 * SCALE - CENT
    assert min(asks) == 2


def test_calls_and_puts_keep_parity_with_their_underlying() -> None:
    """At a rate of zero a call less a put is worth the underlying less the strike."""
    now = at(20 * 86_400)
    quotes = {quote.symbol: quote for quote in quotes_of(source(), now)}
    pairs = 0
    for symbol, instrument in UNIVERSE.instruments(now).items():
        terms = instrument.option
        if terms is None or terms.right is OptionRight.PUT:
            continue
        call = quotes[symbol]
        put = quotes[symbol[:-9] + "P" + symbol[-8:]]
        spot = quotes[terms.underlying]
        spreads = sum(quote.ask - quote.bid for quote in (call, put, spot)) / SCALE
        difference = middle(call) - middle(put) - (middle(spot) - terms.strike / SCALE)
        assert abs(difference) <= spreads / 2
        pairs += 1
    assert pairs == 12


def test_an_option_is_worth_what_exercise_pays_just_before_it_expires() -> None:
    chain = OptionChain(
        underlying=listing("AAA", level="100", volatility=0.3),
        strikes=(90 * SCALE, 110 * SCALE),
        spread_bps=10,
        liquidity_class=LiquidityClass.LIQUID,
    )
    universe = Universe(listings=[chain.underlying], chains=[chain])
    end = from_datetime(datetime(2026, 1, 17, tzinfo=UTC))
    quotes = {quote.symbol: quote for quote in quotes_of(source(universe=universe), end - SECOND)}
    spot = quotes["AAA"].last
    for right, sign in (("C", 1), ("P", -1)):
        for strike in (90, 110):
            quote = quotes[f"AAA260116{right}{strike * 1000:08d}"]
            intrinsic = max(CENT, sign * (spot - strike * SCALE))
            assert abs(quote.last - intrinsic) <= 2 * CENT
            assert (quote.bid_size == 0) == (intrinsic == CENT)


def test_options_roll_with_the_day_of_the_tick() -> None:
    market = source()
    expiry_day = (from_datetime(datetime(2026, 1, 16, tzinfo=UTC)) - ORIGIN) // SECOND
    midnight = expiry_day + DAY // SECOND
    before = {quote.symbol for quote in quotes_of(market, at(midnight - 1))}
    after = {quote.symbol for quote in quotes_of(market, at(midnight))}
    assert to_datetime(at(midnight)) == datetime(2026, 1, 17, tzinfo=UTC)
    assert "AAPL260116C00270000" in before - after
    assert "AAPL260320C00270000" in after - before
    assert len(before) == len(after)
