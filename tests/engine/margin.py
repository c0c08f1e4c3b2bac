"""Margin accounts in an engine: opening them, and their logs as short lines."""

from decimal import Decimal
from typing import Any

from bottrading.v1 import account_pb2, key_management_pb2, order_pb2, order_update_pb2
from server.application.callers import Caller
from server.domain.user import Identity, Plan
from server.engine.frames import Answer, Call, decode_user, encode_identity
from tests.engine.bench import KEY_ID, Bench, call
from tests.support.databases import connect

SELL: dict[str, Any] = {"side": order_pb2.SIDE_SELL}


def manage(bench: Bench, subject: str, name: str, message: Any) -> Answer:
    """Make a call of a person, about an account."""
    user_id, account_id = _ids(bench, subject)
    caller = Caller(account_id=account_id, user_id=user_id, bot_key_id=KEY_ID)
    *_, answer = bench.handle(Call(3, name, caller, message.SerializeToString()))
    return answer


def margin_account(bench: Bench, subject: str = "ada") -> str:
    """Return a new MARGIN account, which has 100 000.00."""
    _, account_id = _ids(bench, subject)
    request = key_management_pb2.SetMarginModeRequest(
        account_id=account_id, margin_mode=account_pb2.MARGIN_MODE_MARGIN
    )
    answer = manage(bench, subject, "SetMarginMode", request)
    shown = key_management_pb2.SetMarginModeResponse.FromString(answer.body).account
    assert shown.margin_mode == account_pb2.MARGIN_MODE_MARGIN
    return account_id


def second(bench: Bench) -> None:
    """Let a second pass."""
    bench.clock.turn(seconds=1)
    bench.handle(passing=True)


def squeeze(bench: Bench, symbol: str, price: str, size: str = "100000") -> None:
    """Publish a quote whose bid and ask are the same, and let a second pass."""
    bench.handle(bench.publish(symbol, price, price, size))
    second(bench)


def stored(bench: Bench, query: str) -> list[tuple[Any, ...]]:
    """Read the database."""
    connection = connect(bench.data_dir)
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def log_of(bench: Bench, account_id: str) -> list[str]:
    """Return the entries of an account's log, a short line each, from its margin mode on."""
    query = f"SELECT payload FROM events WHERE account_id = '{account_id}' ORDER BY sequence"
    lines = [
        _line(order_update_pb2.AccountEvent.FromString(payload))
        for (payload,) in stored(bench, query)
    ]
    return lines[lines.index("MARGIN_MODE") + 1 :]


def since(bench: Bench, account_id: str, known: list[str]) -> list[str]:
    """Return the entries that a log got after some that are known."""
    lines = log_of(bench, account_id)
    assert lines[: len(known)] == known
    return lines[len(known) :]


def _line(event: order_update_pb2.AccountEvent) -> str:
    if event.HasField("account_update"):
        return _account_line(event.account_update)
    update, order = event.order_update, event.order_update.order
    words = [
        order_update_pb2.OrderUpdateType.Name(update.type).removeprefix("ORDER_UPDATE_TYPE_"),
        order_pb2.Side.Name(order.side).removeprefix("SIDE_"),
        _short(order.quantity),
        order.symbol,
    ]
    if update.HasField("fill"):
        words.append(f"{_short(update.fill.quantity)} at {_short(update.fill.price)}")
    if order.HasField("status_reason"):
        reason = order_pb2.StatusReason.Name(order.status_reason)
        words.append(reason.removeprefix("STATUS_REASON_"))
    if order.placed_by == order_pb2.PLACED_BY_VENUE:
        words.append("by the venue")
    return " ".join(words)


def _account_line(update: order_update_pb2.AccountUpdate) -> str:
    kind = order_update_pb2.AccountUpdateType.Name(update.type)
    line = kind.removeprefix("ACCOUNT_UPDATE_TYPE_")
    if update.HasField("margin_call"):
        line += f" {update.margin_call.equity} of {update.margin_call.maintenance_margin}"
    if update.HasField("interest"):
        told = update.interest
        line += f" {told.loan_interest} and {told.borrow_fee} for {told.nights}"
    return line


def _short(number: str) -> str:
    return f"{Decimal(number).normalize():f}"


def _ids(bench: Bench, subject: str) -> tuple[str, str]:
    identity = Identity(
        issuer="i", subject=subject, name=subject, plan=Plan.FREE, is_operator=False
    )
    *_, answer = bench.handle(call(1, "KnowUser", "", encode_identity(identity)))
    user_id, account_id, _ = decode_user(answer.body)
    return str(user_id), str(account_id)
