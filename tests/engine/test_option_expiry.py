"""Option expiry: when an expired option becomes money, and that nobody trades it any more."""

from bottrading.v1 import order_pb2
from server.domain.values import DAY, SCALE
from tests.engine.bench import Bench, at, order_of, place
from tests.engine.ledger import StoredBook, connect

CALL = "AAPL250117C00260000"
MIDNIGHT = at("01-18 00:00")


def stored(bench: Bench, account: str) -> StoredBook:
    """Return an account with its orders as the database has them."""
    connection = connect(bench.data_dir)
    book = StoredBook(connection, account)
    book.read_orders()
    connection.close()
    return book


def on_the_last_day(bench: Bench) -> str:
    """Let an account buy a call in its last minute, while nobody quotes what it is on."""
    bench.clock.now = MIDNIGHT - 1_000_000
    account = bench.account("ada")
    bench.handle(bench.publish(CALL, "11.00", "11.00"))
    (answer,) = bench.handle(place(1, account, symbol=CALL))
    assert order_of(answer).status == order_pb2.ORDER_STATUS_FILLED
    return account


def test_an_expired_option_waits_for_the_first_quote_of_what_it_is_on(bench: Bench) -> None:
    """Not for the midnight after it: its money would be missing a whole day."""
    account = on_the_last_day(bench)
    bench.clock.now = MIDNIGHT
    bench.handle(passing=True)
    assert stored(bench, account).positions[CALL].quantity

    bench.clock.now = MIDNIGHT + DAY // 2
    bench.handle(bench.publish("AAPL", "270.00", "270.00"))
    bench.handle(passing=True)

    book = stored(bench, account)
    assert not book.positions[CALL].quantity
    assert book.account.realized_pnl == -100 * SCALE
