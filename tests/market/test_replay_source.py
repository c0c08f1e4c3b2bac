"""The replay source: time runs through a file at its speed, skips nothing and ends with it."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.application.market_ports import MarketStep
from server.application.staging import Stage
from server.domain.invariants import BrokenInvariant
from server.domain.quote import Quote
from server.domain.values import SECOND, Micros
from server.market.replay import STEPS_PER_POLL_MAX, ReplayClock
from server.market.replay_file import ReplayFacts, check_replay_file, replay_quotes
from tests.market.replays import (
    BEGIN,
    CALENDAR,
    FOREVER,
    HEADER,
    UNIVERSE,
    Real,
    Replay,
    quotes_of,
    row,
    shown,
)


def test_a_step_holds_the_quotes_of_one_moment(recorded: Callable[..., ReplayFacts]) -> None:
    replay = Replay(recorded(row(0), row(0, "SPY"), row(2), row(2.5, "SPY"), row(9)))
    assert replay.source.environment == "REPLAY"
    assert shown(replay.poll()) == [(-0.000001, "")]
    assert shown(replay.poll(1)) == [(0, "AAPL SPY")]
    assert shown(replay.poll(SECOND)) == [(1, "")]
    assert shown(replay.poll(2 * SECOND)) == [(2, "AAPL"), (2.5, "SPY"), (3, "")]
    assert shown(replay.poll()) == [(3, "")]


def test_the_digest_names_the_file(recorded: Callable[..., ReplayFacts]) -> None:
    facts = recorded(row(0))
    assert Replay(facts).source.replay_digest == facts.digest


def test_the_span_of_a_replay_is_that_of_the_file_however_far_it_is(
    recorded: Callable[..., ReplayFacts],
) -> None:
    replay = Replay(recorded(row(0), row(9)))
    span = replay.source.replay
    replay.poll(3 * SECOND)

    assert (span.starts_at, span.ends_at) == (BEGIN - 1, BEGIN + 9 * SECOND)
    assert span.speed == replay.clock.speed
    assert replay.source.replay == span


def test_time_stands_where_the_last_poll_got_to(recorded: Callable[..., ReplayFacts]) -> None:
    replay = Replay(recorded(row(0), row(9)))
    replay.poll(SECOND + 1)
    replay.real.now += SECOND
    assert replay.clock() == BEGIN + SECOND
    assert replay.clock.target() == BEGIN + 2 * SECOND


def test_time_stands_still_at_the_end_of_the_file(recorded: Callable[..., ReplayFacts]) -> None:
    facts = recorded(row(0), row(1))
    replay = Replay(facts)
    assert replay.source.is_due(replay.clock())
    assert shown(replay.poll(FOREVER)) == [(0, "AAPL"), (1, "AAPL")]
    for _ in range(2):
        assert not replay.source.is_due(replay.clock())
        assert replay.due_in is None
        assert shown(replay.poll(FOREVER)) == [(1, "")]


@pytest.mark.parametrize("later", [0, SECOND])
def test_a_replay_that_has_ended_does_not_begin_again(
    recorded: Callable[..., ReplayFacts], later: Micros
) -> None:
    """With other opening hours the end of the same file may even be before that of the last run."""
    facts = recorded(row(0), row(1))
    replay = Replay(facts, reached=facts.last + later)
    assert (replay.due_in, replay.source.is_due(replay.clock())) == (None, False)
    assert shown(replay.poll(FOREVER)) == [(1 + later // SECOND, "")]


@pytest.mark.parametrize(
    ("speed", "passed", "target", "due_in"),
    [
        (1, 0, 0, 10 * SECOND),
        (1, 3 * SECOND, 3 * SECOND, 7 * SECOND),
        (2.5, 2 * SECOND, 5 * SECOND, 2 * SECOND),
        (0.25, 4 * SECOND, SECOND, 36 * SECOND),
        (1_000, 9_999, 9_999_000, 1),
        (3, 1, 3, 3_333_333),  # 3 333 332⅓: a little late is due, a little early is not.
        (10_000_000, 1, 10 * SECOND, 0),
        (10_000_000, FOREVER, 20 * SECOND, 0),
        (1e300, FOREVER, 20 * SECOND, 0),
    ],
)
def test_real_time_runs_through_the_file_at_its_speed(
    recorded: Callable[..., ReplayFacts],
    speed: float,
    passed: Micros,
    target: Micros,
    due_in: Micros,
) -> None:
    facts = recorded(row(0), row(10), row(20))
    replay = Replay(facts, speed=speed, reached=BEGIN)
    replay.real.now += passed
    assert replay.clock() == BEGIN
    assert replay.clock.target() == BEGIN + target
    assert replay.due_in == due_in
    replay.real.now += due_in
    assert replay.due_in == 0
    assert shown(replay.source.poll(replay.clock()))[0] == (10, "AAPL")


def test_real_time_counts_from_the_first_look_at_it(recorded: Callable[..., ReplayFacts]) -> None:
    """What the server needs to start must not be played at once."""
    facts, real = recorded(row(0), row(9)), Real()
    clock = ReplayClock(start=BEGIN, end=facts.last, speed=1, monotonic=real)
    real.now += 5 * SECOND
    assert clock.target() == BEGIN
    real.now += SECOND
    assert clock.target() == BEGIN + SECOND


def test_the_clock_keeps_between_where_it_stands_and_the_end() -> None:
    clock = ReplayClock(start=10, end=20, speed=1, monotonic=Real())
    with Stage() as stage:
        clock.advance(15, stage)
        assert (clock(), clock.target()) == (15, 15)
        for wrong in (14, 21):
            with pytest.raises(BrokenInvariant):
                clock.advance(wrong, stage)
    assert (clock(), clock.target()) == (10, 10)
    for speed in (0, -1, float("inf"), float("nan")):
        with pytest.raises(BrokenInvariant):
            ReplayClock(start=10, end=20, speed=speed, monotonic=Real())


def test_what_is_played_without_a_commit_is_due_again(
    recorded: Callable[..., ReplayFacts],
) -> None:
    replay = Replay(recorded(row(0), row(1), row(1, "SPY"), row(2), row(5)))
    first = replay.poll(SECOND // 2)
    stood = replay.clock()
    lost = replay.poll_in_vain(2 * SECOND)
    assert shown(lost) == [(1, "AAPL SPY"), (2, "AAPL"), (2.499999, "")]
    for _ in range(2):  # Doing it twice changes nothing.
        assert replay.clock() == stood == first[-1].time
        assert replay.source.is_due(stood)
        assert replay.due_in == 0
        assert replay.poll_in_vain() == lost
    again = replay.poll(SECOND)
    assert again == [*lost[:2], MarketStep(lost[-1].time + SECOND, ())]
    assert shown(replay.poll_in_vain(FOREVER)) == [(5, "AAPL")]
    assert replay.source.is_due(replay.clock())
    assert shown(list(replay.rest())) == [(5, "AAPL")]


def test_steps_that_were_polled_and_not_played_are_due_again(
    recorded: Callable[..., ReplayFacts],
) -> None:
    replay = Replay(recorded(row(0), row(1), row(2), row(5)))
    assert shown(replay.poll(3 * SECOND, played=1)) == [
        (0, "AAPL"),
        (1, "AAPL"),
        (2, "AAPL"),
        (2.999999, ""),
    ]
    assert replay.clock() == BEGIN
    assert replay.due_in == 0
    assert shown(replay.poll(played=2)) == [(1, "AAPL"), (2, "AAPL"), (2.999999, "")]
    assert shown(list(replay.rest())) == [(5, "AAPL")]


def test_steps_that_were_played_without_a_commit_count_for_the_bound(
    recorded: Callable[..., ReplayFacts],
) -> None:
    rows = [row(second) for second in range(3 * STEPS_PER_POLL_MAX)]
    facts = recorded(*rows)
    replay = Replay(facts)
    got = []
    for number in range(40):
        passed = FOREVER if number % 3 else 10 * SECOND
        if number % 2:
            replay.poll_in_vain(passed)
        else:
            got += quotes_of(replay.poll(passed))
    assert got == list(replay_quotes(facts, UNIVERSE, CALENDAR, facts.start))


BARS = [
    f"2025-01-{day:02},{symbol},100.00,110.25,90.75,{close},5000"
    for day, close in [(1, 95), (2, 105), (3, 100), (6, 91)]
    for symbol in ("EUR-USD", "AAPL", "BTC-USD")
]


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        (HEADER, [row(second) for second in (0, 0, 1, 1.5, 1.5, 1.5, 4)]),
        ("time,symbol,open,high,low,close,volume", BARS),
        (
            "time,symbol,open,high,low,close",
            [
                f"2025-01-02T{time}Z,{symbol},100,110,90,105"
                for time, symbol in [
                    ("15:00:00", "SPY"),
                    ("15:00:00", "AAPL"),
                    ("15:00:20", "GME"),
                    ("15:01:00", "AAPL"),
                    ("15:03:30", "AAPL"),
                    ("15:03:30", "SPY"),
                ]
            ],
        ),
    ],
)
def test_a_replay_goes_on_wherever_an_earlier_one_got_to(
    recorded: Callable[..., ReplayFacts], header: str, rows: list[str]
) -> None:
    facts = recorded(*rows, header=header)
    whole = quotes_of(list(Replay(facts).rest()))
    moments = {quote.time + shift for quote in whole for shift in (-1, 0, 1)}
    for reached in sorted({facts.start, *(min(moment, facts.last) for moment in moments)}):
        rest = quotes_of(list(Replay(facts, reached=reached).rest()))
        assert rest == [quote for quote in whole if quote.time > reached]


ACTS = st.lists(
    st.tuples(st.integers(0, 3 * 86_400), st.sampled_from(["keep", "leave", "part", "restart"])),
    max_size=30,
)


@settings(derandomize=True, database=None, max_examples=100, deadline=None)
@given(ACTS, st.sampled_from([0.5, 1, 97.3, 10_000_000]))
def test_whatever_is_left_or_restarted_every_quote_is_played_once(
    acts: list[tuple[int, str]], speed: float
) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "own.csv"
        path.write_text("\n".join(["time,symbol,open,high,low,close,volume", *BARS]))
        facts = check_replay_file(path, UNIVERSE, CALENDAR)
        replay, played = Replay(facts, speed=speed), list[Quote]()
        for seconds, act in acts:
            stood, passed = replay.clock(), seconds * SECOND
            if act == "leave":
                replay.poll_in_vain(passed)
                assert replay.clock() == stood
                continue
            count = 1 if act == "part" else None
            steps = replay.poll(passed, played=count)
            times = [step.time for step in steps]
            assert times == sorted(set(times))
            played += quotes_of(steps[:count])
            if act == "restart":
                replay = Replay(facts, speed=speed, reached=replay.clock())
        played += quotes_of(list(replay.rest()))
        assert played == list(replay_quotes(facts, UNIVERSE, CALENDAR, facts.start))


def test_many_bars_that_overlap_are_merged_in_order(recorded: Callable[..., ReplayFacts]) -> None:
    facts = recorded(*BARS, header="time,symbol,open,high,low,close,volume")
    quotes = quotes_of(list(Replay(facts).rest()))
    assert len(quotes) == 4 * len(BARS)
    assert quotes == sorted(quotes, key=lambda quote: (quote.time, quote.sequence))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("101,", "x,"),
        lambda text: text.replace("101,", "102,"),
        lambda text: text + row(999) + "\n",
        lambda text: text[: len(text) // 2],
        lambda text: "\n".join(text.split("\n")[:150]),
    ],
)
def test_a_file_that_changes_stops_the_replay_with_a_fault(
    recorded: Callable[..., ReplayFacts], change: Callable[[str], str]
) -> None:
    """A source that stopped without a word would look like a file that has ended."""
    facts = recorded(*[row(second, bid=101 if second == 300 else 100) for second in range(301)])
    facts.path.write_text(change(facts.path.read_text()))
    replay = Replay(facts)
    list(replay.rest())
    stood = replay.clock()
    for _ in range(2):
        fault = replay.source.fault
        assert fault == f"{facts.path}: has changed since it was checked"
        assert not replay.source.is_due(stood)
        assert replay.due_in is None
        assert replay.poll(FOREVER) == [MarketStep(stood, ())], "time stands"


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_text("", "ascii")])
def test_a_change_is_seen_though_the_rest_is_buffered(
    recorded: Callable[..., ReplayFacts], change: Callable[[Path], object]
) -> None:
    facts = recorded(*[row(second) for second in range(5)])
    replay = Replay(facts)
    assert shown(replay.poll(SECOND + 1)) == [(0, "AAPL"), (1, "AAPL")]
    change(facts.path)
    for _ in range(2):
        assert shown(replay.poll(FOREVER)) == [(1, "")]
    assert replay.source.fault is not None


def test_what_was_not_committed_is_due_after_a_change_too(
    recorded: Callable[..., ReplayFacts],
) -> None:
    facts = recorded(*[row(second) for second in range(5)])
    replay = Replay(facts)
    lost = replay.poll_in_vain(SECOND + 1)
    facts.path.unlink()
    assert replay.poll(FOREVER) == lost
    assert replay.source.fault is not None
    assert replay.poll(FOREVER) == [MarketStep(lost[-1].time, ())]


def test_a_file_that_was_played_to_its_end_may_go(recorded: Callable[..., ReplayFacts]) -> None:
    facts = recorded(row(0), row(1))
    replay = Replay(facts)
    list(replay.rest())
    facts.path.unlink()
    replay.poll(FOREVER)
    assert replay.source.fault is None


def test_a_missing_file_is_a_fault_of_the_source(
    recorded: Callable[..., ReplayFacts],
) -> None:
    facts = recorded(row(0))
    facts.path.unlink()
    fault = Replay(facts).source.fault
    assert fault is not None
    assert fault.endswith("No such file or directory")
