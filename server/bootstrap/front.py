"""Builds the front process from its parts, around an engine."""

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

from server.application.leaderboard import Leaderboard
from server.application.market_feed import QuoteBoard
from server.application.market_record import HeardMinutes
from server.application.order_updates import OrderUpdates
from server.application.ports import Clock
from server.application.queries import Queries
from server.application.quote_updates import QuoteUpdates
from server.application.quote_watch import QuoteWatch
from server.application.rate_limits import AllRateLimits, UsageMeter
from server.application.return_curves import ReturnCurves
from server.bootstrap import venue
from server.bootstrap.adapters import SystemChance, ToldClock, monotonic_clock, system_clock
from server.bootstrap.limits import Limiting, limiting
from server.bootstrap.terms import terms_text
from server.calls.table import ROWS
from server.config import Settings
from server.engine.client import Engine, Notifications
from server.market.universe import CurrentInstruments
from server.rpc.call import Call
from server.rpc.delayed_calls import DelayedCalls
from server.rpc.dispatch import Dispatcher
from server.rpc.figures import Figures
from server.rpc.interceptors.accounts import NamedAccounts
from server.rpc.interceptors.authentication import TICKET_HEADER, Authentication
from server.rpc.interceptors.connections import Connections
from server.rpc.interceptors.errors import ErrorTranslation
from server.rpc.interceptors.in_flight import InFlight
from server.rpc.interceptors.observability import (
    CallJournal,
    Finished,
    Observability,
    answer_headers,
    json_line,
)
from server.rpc.interceptors.sign_in import SignIns
from server.rpc.interceptors.streams import OpenStreams
from server.rpc.keyring import Keyring
from server.rpc.ledger import Ledger
from server.rpc.open_stream import Headers
from server.rpc.own_tokens import OwnTokens
from server.rpc.owned_accounts import OwnedAccounts
from server.rpc.reading import LogReads, Reading, SharedReading
from server.rpc.server import Links, RpcServer
from server.rpc.stream_watch import TICK_SECONDS, StreamWatch
from server.rpc.streams import OrderUpdateStream, QuoteStream
from server.rpc.tickets import RESUMING_LIFETIME, Tickets
from server.rpc.tokens import TokenVerifier, jwks_verifier, secret_verifier
from server.secret_files import jwt_secret, own_secret, ticket_secret
from server.storage.database import (
    FOLLOWERS_MAX,
    GUARDS_MAX,
    READERS_MAX,
    READS_OF_PERSON_MAX,
    open_readers,
)
from server.storage.queries import History, SqlReads
from server.storage.rankings import RankingsFile
from server.wire import stream_messages
from server.wire.contract import methods
from server.wire.rows import Row

FRESH_QUOTES_HEADER = "x-fresh-quotes"
STALE_QUOTES_HEADER = "x-stale-quotes"


@dataclass(frozen=True, slots=True)
class Front:
    """The parts of the front that its process uses."""

    server: RpcServer
    connections: Connections
    meter: UsageMeter | None
    limits: AllRateLimits
    journal: CallJournal
    registry: CollectorRegistry
    leaderboard: Leaderboard
    quote_watch: QuoteWatch


@dataclass(frozen=True, slots=True)
class FrontBase:
    """The parts of the front that the engine's client needs: they take its notifications."""

    keyring: Keyring
    board: QuoteBoard
    tickets: Tickets
    own_tokens: OwnTokens
    heard: HeardMinutes
    streams: OpenStreams
    order_updates: OrderUpdates
    quote_updates: QuoteUpdates
    notifications: Notifications
    meter: UsageMeter | None
    reads: SqlReads
    rankings: RankingsFile
    executor: ThreadPoolExecutor
    guard: ThreadPoolExecutor
    follower: ThreadPoolExecutor
    clock: Clock
    wall_clock: Clock
    terms: str

    async def close(self) -> None:
        """End the threads and close the connections."""
        await self.order_updates.close()
        self.rankings.close()
        for threads in (self.executor, self.guard, self.follower):
            threads.shutdown()
        self.reads.close()


def history(settings: Settings) -> History:
    """Return the market that a database belongs to."""
    reads = SqlReads(open_readers(settings.location))
    try:
        return reads.history()
    finally:
        reads.close()


def build_base(settings: Settings, *, wall_clock: Clock = system_clock) -> FrontBase:
    """Build the parts of the front that the engine's client needs."""
    told_clock = ToldClock()
    clock = told_clock if settings.market == "replay" else wall_clock
    executor = ThreadPoolExecutor(READERS_MAX, thread_name_prefix="read")
    # Lookups of strangers' keys and tokens queue here, not in front of customers' reads.
    guard = ThreadPoolExecutor(GUARDS_MAX, thread_name_prefix="guard")
    # Reads of new log entries wait for no other query.
    follower = ThreadPoolExecutor(FOLLOWERS_MAX, thread_name_prefix="follow")
    reads = SqlReads(open_readers(settings.location))
    # Engines that share a database count the calls of all fronts.
    meter = UsageMeter() if isinstance(settings.location, Path) else None
    keyring = Keyring(reads, meter, wall_clock, guard)
    board = QuoteBoard(settings.for_engine().quote_staleness)
    heard = HeardMinutes()
    logs = LogReads(reads, following=Reading(follower), paging=SharedReading(executor, at_once=1))
    order_updates = OrderUpdates(logs, stream_messages.log_entry)
    quote_updates = QuoteUpdates(board, clock, stream_messages.quote)
    tickets = Tickets(ticket_secret(settings), wall_clock)
    streams = OpenStreams(
        per_account=settings.streams_per_account,
        in_all=settings.streams_max,
        looks_max=math.ceil(settings.stream_blocked_seconds / TICK_SECONDS),
        headers=partial(_stream_headers, tickets, wall_clock),
    )

    def end_key(bot_key_id: str) -> None:
        keyring.end(bot_key_id)
        streams.end_key(bot_key_id)

    return FrontBase(
        keyring=keyring,
        board=board,
        tickets=tickets,
        own_tokens=OwnTokens(settings.jwt_issuer, own_secret(settings), system_clock),
        streams=streams,
        order_updates=order_updates,
        quote_updates=quote_updates,
        heard=heard,
        notifications=Notifications(
            board,
            heard,
            notify_quotes=quote_updates.notify,
            notify_logs=order_updates.notify,
            end_key=end_key,
            forget_user=keyring.forget_user,
            set_time=told_clock.set,
        ),
        meter=meter,
        reads=reads,
        rankings=RankingsFile(settings.data_dir, settings.location),
        executor=executor,
        guard=guard,
        follower=follower,
        clock=clock,
        wall_clock=wall_clock,
        terms=terms_text(settings),
    )


def build(
    settings: Settings,
    base: FrontBase,
    engine: Engine,
    *,
    wall_clock: Clock = system_clock,
    monotonic: Clock = monotonic_clock,
    write_line: Callable[[bytes], object],
    line: Callable[[Finished], bytes] = json_line,
    connections_max: Callable[[], int],
    lend: Callable[[], AbstractContextManager[None]] = nullcontext,
    on_damage: Callable[[], object] = lambda: None,
    rows: Mapping[str, Row] = ROWS,
) -> Front:
    """Build the front with its gRPC server.

    `line` formats a finished call for the log. `connections_max` returns how many connections
    there may be. `lend` frees descriptors for the search among open connections. `on_damage` is
    called when a read finds the database damaged. `rows` are the calls that are served.

    `base.clock` is the time of the market; a replay has a time of its own. Limits of callers
    follow `wall_clock`.
    """
    chance, registry = SystemChance(), CollectorRegistry()
    instruments = CurrentInstruments(venue.universe(settings.for_engine()), base.clock)
    limits = _limits(settings, base, engine, rows, registry, wall_clock, monotonic)
    leaderboard = _leaderboard(base, instruments, monotonic)
    dispatcher = _dispatcher(
        settings,
        base,
        engine,
        rows,
        instruments=instruments,
        leaderboard=leaderboard,
        ledger=limits.ledger,
        wall_clock=wall_clock,
    )
    journal = CallJournal(write_line, registry, line)
    Gauge("bottrading_open_streams", "Open streams.", registry=registry).set_function(
        base.streams.__len__
    )
    base.notifications.tell_delays = DelayedCalls(registry).hear
    connections = Connections(connections_max, lend)
    owned = OwnedAccounts(base.reads, base.keyring, base.guard)
    links = Links(
        observability=Observability(journal=journal, clock=wall_clock, new_id=chance.new_id),
        errors=ErrorTranslation(chance, on_damage),
        authentication=_authentication(settings, base, owned, engine, monotonic),
        connections=connections,
        in_flight=InFlight(),
        rate_limits=limits.interceptor,
        accounts=NamedAccounts(owned),
        sign_ins=SignIns(engine, wall_clock),
        streams=base.streams,
    )
    watch = _quote_watch(settings, base, registry, monotonic)
    server = RpcServer(
        methods(),
        links,
        dispatcher,
        with_reflection=settings.reflection,
        detail=partial(_quotes_detail, watch) if settings.market == "published" else tuple,
    )
    base.notifications.tell_stopped = lambda is_stopped: server.set_stopped(is_stopped=is_stopped)
    return Front(
        server, connections, base.meter, limits.windows, journal, registry, leaderboard, watch
    )


def _quote_watch(
    settings: Settings, base: FrontBase, registry: CollectorRegistry, monotonic: Clock
) -> QuoteWatch:
    watch = QuoteWatch(base.board, base.clock, monotonic)
    if settings.market == "published":
        gauge = Gauge("bottrading_quotes", "Newest quotes.", ["state"], registry=registry)
        gauge.labels("fresh").set_function(lambda: watch.counts().fresh)
        gauge.labels("stale").set_function(lambda: watch.counts().stale)
    return watch


def _quotes_detail(watch: QuoteWatch) -> tuple[tuple[str, str], ...]:
    counts = watch.counts()
    return (FRESH_QUOTES_HEADER, str(counts.fresh)), (STALE_QUOTES_HEADER, str(counts.stale))


def _limits(
    settings: Settings,
    base: FrontBase,
    engine: Engine,
    rows: Mapping[str, Row],
    registry: CollectorRegistry,
    wall_clock: Clock,
    monotonic: Clock,
) -> Limiting:
    return limiting(
        settings,
        base.meter,
        base.keyring,
        engine,
        rows,
        registry,
        wall_clock=wall_clock,
        monotonic=monotonic,
    )


def _leaderboard(base: FrontBase, instruments: CurrentInstruments, monotonic: Clock) -> Leaderboard:
    return Leaderboard(
        rankings=base.rankings,
        curves=ReturnCurves(base.reads),
        mode_of=base.reads.ranked_as,
        board=base.board,
        instruments=instruments,
        clock=base.clock,
        monotonic=monotonic,
    )


def _dispatcher(
    settings: Settings,
    base: FrontBase,
    engine: Engine,
    rows: Mapping[str, Row],
    *,
    instruments: CurrentInstruments,
    leaderboard: Leaderboard,
    ledger: Ledger,
    wall_clock: Clock,
) -> Dispatcher:
    reading = SharedReading(base.executor, at_once=READS_OF_PERSON_MAX)
    queries = Queries(
        reads=base.reads,
        board=base.board,
        heard=base.heard,
        instruments=instruments,
        leaderboard=leaderboard,
        clock=base.clock,
        environment=settings.market.upper(),
        margin_terms=venue.costs(settings.for_engine()).margin,
    )
    order_updates = OrderUpdateStream(
        updates=base.order_updates, reads=base.reads, reading=reading, clock=base.clock
    )
    quotes = QuoteStream(base.quote_updates, base.clock)
    return Dispatcher(
        rows,
        engine=engine,
        readers=(queries, leaderboard, base.tickets, base.own_tokens, order_updates, quotes),
        reading=reading,
        figures=Figures(
            ledger=ledger,
            streams=base.streams,
            clock=wall_clock,
            enforce_quotas=settings.enforces_quotas,
        ),
        instruments=instruments,
        clock=base.clock,
    )


def _stream_headers(tickets: Tickets, clock: Clock, call: Call) -> Headers:
    """Return the headers of a new stream; a stream opened by a ticket gets one for resuming.

    The ticket that opened the stream may have expired by then.
    """
    headers = answer_headers(call, clock)
    if not call.caller.by_ticket:
        return headers
    ticket, _ = tickets.issue_for(call.caller, RESUMING_LIFETIME)
    return (*headers, (TICKET_HEADER, ticket))


def stream_watch(base: FrontBase) -> StreamWatch:
    reading = Reading(base.executor)
    return StreamWatch(base.streams, base.order_updates, base.reads, reading, base.wall_clock)


def _authentication(
    settings: Settings,
    base: FrontBase,
    owned: OwnedAccounts,
    engine: Engine,
    monotonic: Clock,
) -> Authentication:
    return Authentication(
        keyring=base.keyring,
        owned=owned,
        tickets=base.tickets,
        verifier=_verifier(settings, monotonic),
        own_tokens=base.own_tokens,
        engine=engine,
        executor=base.guard,
        has_public_methods=settings.public_leaderboard,
    )


def _verifier(settings: Settings, monotonic: Clock) -> TokenVerifier:
    if settings.jwt_jwks:
        return jwks_verifier(settings.token_terms, settings.jwt_jwks, monotonic)
    return secret_verifier(settings.token_terms, jwt_secret(settings))
