"""Cost of figures: KPIs over many closed trades, and the leaderboard over many accounts.

Also the latency of orders while the leaderboard is refreshed.
"""

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import grpc

from bench.load import Target, latencies_us, latency_p50_us
from bench.service import Service
from bottrading.v1 import bot_trading_pb2, bot_trading_pb2_grpc
from server.bootstrap.adapters import system_clock
from server.config import DATABASE_FILE, Settings
from server.domain.values import DAY
from server.storage.migrate import bring_up_to_date

FEW_TRADES, MANY_TRADES = 100, 100_000
FEW_ACCOUNTS, MANY_ACCOUNTS = 1_000, 1_000_000
HELD = ("AAPL", "MSFT", "SPY")
SNAPSHOT_DAYS = (40, 20, 5, 2)
CALLS = 300
ORDERS = 400
ROUNDS = 5
RANKED_SECONDS_MAX = 600
SERVICE = "/bottrading.v1.BotTrading/"
GRPC_HEADERS = ["content-type: application/grpc", "te: trailers"]


@dataclass(frozen=True, slots=True)
class Costs:
    """Microseconds of a call by one client alone."""

    kpi_few_us: float
    kpi_many_us: float
    board_few_us: float
    board_many_us: float
    refresh_seconds: float
    order_p99_us: float
    order_beside_refresh_p99_us: float


def figures(directory: Path, order: Path) -> Costs:
    """Measure on two services whose rounds alternate; `order` is the body of an order."""
    few = _Peopled(directory / "few", FEW_ACCOUNTS, FEW_TRADES)
    try:
        few.await_ranking(order)
        many = _Peopled(directory / "many", MANY_ACCOUNTS, MANY_TRADES)
        try:
            refresh_seconds, beside = many.await_ranking(order)
            alone = many.order_times(order, ROUNDS)
            rounds = [
                [
                    house.p50_us(name)
                    for name in ("GetTradingKpi", "GetLeaderboard")
                    for house in (few, many)
                ]
                for _ in range(ROUNDS)
            ]
        finally:
            many.stop()
    finally:
        few.stop()
    kpi_few, kpi_many, board_few, board_many = (median(it) for it in zip(*rounds, strict=True))
    return Costs(
        kpi_few, kpi_many, board_few, board_many, refresh_seconds, _p99(alone), _p99(beside)
    )


class _Peopled(Service):
    """A service with many accounts, the first of which has closed many trades."""

    def __init__(self, directory: Path, accounts: int, trades: int) -> None:
        directory.mkdir()
        store_people(directory, accounts, trades)
        super().__init__(directory)
        (self._key,) = self.make_keys(1)
        self._empty = directory / "empty.grpc"
        self._empty.write_bytes(bytes(5))
        self._accounts = accounts

    def p50_us(self, method: str) -> float:
        """Return the time of a call without fields."""
        target = self._target(method, self._empty)
        return latency_p50_us(target, calls=CALLS, log=self.directory / "calls.log")

    def order_times(self, order: Path, rounds: int = 1) -> list[int]:
        """Return the time of orders by one client alone."""
        target, log = self._target("PlaceOrder", order), self.directory / "orders.log"
        return [it for _ in range(rounds) for it in latencies_us(target, calls=ORDERS, log=log)]

    def await_ranking(self, order: Path) -> tuple[float, list[int]]:
        """Return the time of the first refresh, and of orders during it.

        The refresh begins when the service is ready. The round of orders during which the refresh
        ended counts only if there is no other round.
        """
        begun, times, last = time.monotonic(), list[int](), list[int]()
        with grpc.insecure_channel(self.grpc) as channel:
            stub = bot_trading_pb2_grpc.BotTradingStub(channel)
            while time.monotonic() < begun + RANKED_SECONDS_MAX:
                request = bot_trading_pb2.GetLeaderboardRequest()
                try:
                    board = stub.GetLeaderboard(request, metadata=(("x-bot-key", self._key),))
                except grpc.RpcError:
                    times += last
                    last = self.order_times(order)
                    continue
                assert board.rank_total == self._accounts, f"{board.rank_total} are ranked"
                return time.monotonic() - begun, times or last
        raise TimeoutError("the leaderboard was not there in time")

    def _target(self, method: str, body: Path) -> Target:
        headers = [[*GRPC_HEADERS, f"x-bot-key: {self._key}"]]
        return Target(f"http://{self.grpc}{SERVICE}{method}", body, headers)


def _p99(times: list[int]) -> int:
    return sorted(times)[len(times) * 99 // 100]


def store_people(directory: Path, accounts: int, trades: int) -> None:
    """Store accounts with positions and a history, as if they had traded for 40 days."""
    settings = Settings(data_dir=directory)
    bring_up_to_date(settings.location)
    connection = sqlite3.connect(settings.data_dir / DATABASE_FILE)
    connection.execute("PRAGMA synchronous = OFF")
    now = system_clock()
    people = {"issuer": settings.jwt_issuer, "now": now, "count": accounts, "trades": trades}
    with connection:
        connection.execute(
            "CREATE TEMP TABLE numbers AS WITH RECURSIVE upward(n) AS (SELECT 0 UNION ALL"
            " SELECT n + 1 FROM upward WHERE n < max(:count, 2 * :trades)) SELECT n,"
            " printf('%08x-0000-7000-8000-%012x', n, n * 2654435761 % 281474976710656) AS id"
            " FROM upward",
            people,
        )
        _insert(connection, people, "users", USER)
        _insert(connection, people, "accounts", ACCOUNT)
        for symbol in HELD:
            _insert(connection, people, "positions", POSITION | {"symbol": f"'{symbol}'"})
        for days in SNAPSHOT_DAYS:
            _insert(
                connection, people, "equity_snapshots", SNAPSHOT | {"time": f":now - {days * DAY}"}
            )
        _insert(connection, people, "equity_curves", CURVE | {"day": f"{now // DAY}"})
        (first,) = connection.execute("SELECT id FROM numbers WHERE n = 0").fetchone()
        for table, given in (("orders", ORDER), ("fills", FILL)):
            of_first = given | {"account_id": f"'{first}'"}
            _insert(connection, people, table, of_first, "n < 2 * :trades")
    connection.close()


USER = {
    "id": "id",
    "issuer": ":issuer",
    "subject": "'bench-' || n",
    "name": "'bench'",
    "plan": "'Standard'",
    "first_account_id": "id",
}
ACCOUNT = {
    "id": "id",
    "user_id": "id",
    "balance": "5000000000000 + n % 997 * 1000000000",
    "deposits": "10000000000000",
    "initial_balance": "10000000000000",
    "initial_share": "1",
    "fills": "10",
    "traded": "'STOCK'",
    "trades": "9",
    "wins": "5",
    "sequence": "4 * :trades + 1",
    "epoch_sequence": "1",
    "trading_state": "'ACTIVE'",
}
POSITION = {
    "account_id": "id",
    "quantity": "100000000 * (1 + n % 7)",
    "average_cost": "1000000000000 / (1 + n % 7)",
    "cost_basis": "1000000000000",
}
SNAPSHOT = {
    "account_id": "id",
    "equity": "10000000000000 + n % 999 * 1000000000",
    "sequence": "1",
    "initial_value": "1e13",
}
CURVE = {
    "account_id": "id",
    "epoch_sequence": "1",
    "peak": "1.1e13",
    "deepest_fall": "0.1",
    "day_value": "1e13",
    "closed_value": "1e13",
    "returns": "40",
    "mean_return": "0.001",
    "squares": "0.02",
    "downside": "0.01",
    "first_return": "0.001",
    "day_counts": "1",
    "points": "40",
}
TRADED = {
    "sequence": "2 * n + 2",
    "id": "id",
    "bot_key_id": "''",
    "symbol": "'AAPL'",
    "asset_type": "'STOCK'",
    "side": "CASE n % 2 WHEN 0 THEN 'BUY' ELSE 'SELL' END",
}
"""Orders of the first account only: even ones buy, odd ones sell."""
ORDER = TRADED | {
    "order_type": "'MARKET'",
    "time_in_force": "'GTC'",
    "status": "'FILLED'",
    "filled_notional": "'0'",
    "fingerprint": "''",
}
FILL = TRADED | {"order_id": "id"}


def _insert(
    connection: sqlite3.Connection,
    people: dict[str, object],
    table: str,
    given: dict[str, str],
    where: str = "n < :count",
) -> None:
    """Insert a row for each number: given columns, else NULL if allowed, else 0."""
    columns = {
        name: given.get(name, "0" if is_required else "NULL")
        for _, name, _, is_required, *_ in connection.execute(f"PRAGMA table_info({table})")
    }
    unknown = given.keys() - columns.keys()
    assert not unknown, f"{table} has no {unknown}"
    values = ", ".join(columns.values())
    statement = f"INSERT INTO {table} SELECT {values} FROM numbers WHERE {where} ORDER BY n"
    connection.execute(statement, people)
