"""Comparison of the stored data of one account with the replay of its log."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby
from math import isclose

from google.protobuf.message import DecodeError

from bottrading.v1 import order_pb2, order_update_pb2
from server.audit.curves import CurveAudit, kept_share
from server.audit.groups import check_groups, left_by
from server.audit.holdings import Holding
from server.audit.replay import Epoch, Replay
from server.domain.account import Account, Inflow, Position
from server.domain.values import LOST_SEQUENCES, Units, format_units
from server.storage.audit_rows import AccountRows
from server.wire import answers, enums

SHARE_TOLERANCE = 1e-9
"""The relative error allowed: a share is a floating-point product with a factor per deposit."""

GAPS_MAX = 1_000
FINDINGS_MAX = 20
"""The most findings reported per account, because one fault causes many."""


class AccountAudit:
    """The audit of one account; `findings` are sentences."""

    def __init__(self, rows: AccountRows) -> None:
        self._rows = rows
        self.findings: list[str] = []
        self.replay = Replay(self._say)
        self.fills = 0

    def run(self) -> None:
        """Read everything of the account and compare it."""
        try:
            account, curves = self._rows.account(), CurveAudit(self._rows, self._say)
            fills = self._hear_log(curves)
            self._pass_gaps(curves, account.sequence)
            self._compare_account(account)
            self._compare_positions(account)
            check_groups(self.replay, self._say)
            self._compare_orders()
            self._compare_fills(fills)
            inflows = list(self._rows.inflows())
            self._compare_inflows(account, inflows)
            curves.compare(self.replay.epochs, inflows)
        except (ValueError, KeyError, TypeError, ZeroDivisionError, DecodeError) as error:
            self._say(f"a row cannot be read: {type(error).__name__}: {error}")

    def _say(self, finding: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)

    def _differ(self, what: str, stored: object, replayed: object) -> None:
        if stored != replayed:
            self._say(f"{what} is stored as {stored}, the log makes it {replayed}")

    def _hear_log(self, curves: CurveAudit) -> dict[int, bytes]:
        """Replay the log; return the messages of its fills by sequence."""
        fills: dict[int, bytes] = {}
        ends: list[tuple[int, int]] = []
        for stored in self._rows.log():
            self._pass_gaps(curves, stored.sequence - 1)
            number = self.replay.sequence + 1
            event = order_update_pb2.AccountEvent.FromString(stored.payload)
            if not stored.sequence == event.sequence == number:
                self._say(f"the log has a gap: {stored.sequence} comes where {number} is due")
                break
            self.replay.hear(event)
            curves.look(self.replay)
            ends.append((stored.transaction_end, stored.sequence))
            if event.order_update.HasField("fill"):
                fills[number] = event.order_update.fill.SerializeToString(deterministic=True)
        for end, together in groupby(ends, key=lambda pair: pair[0]):
            *_, (_, last) = together
            if last != end:
                self._say(
                    f"a transaction ends with event {last}, but is stored as ending with {end}"
                )
        return fills

    def _pass_gaps(self, curves: CurveAudit, until: int) -> None:
        """Go on after gaps, which are where entries may have been lost with a database."""
        gaps = (until - self.replay.sequence) // LOST_SEQUENCES
        # More were never accepted: the sequence is wrong.
        for _ in range(gaps if gaps <= GAPS_MAX else 0):
            self.replay.sequence += LOST_SEQUENCES
            curves.look(self.replay)

    def _compare_account(self, account: Account) -> None:
        replay, epoch = self.replay, self.replay.epoch
        live = [order for order in replay.orders.values() if order.is_live]
        for name, stored, replayed in (
            ("sequence", account.sequence, replay.sequence),
            ("resets", account.resets, replay.resets),
            ("epoch_sequence", account.epoch_sequence, epoch.sequence),
            ("epoch_began_at", account.epoch_began_at, epoch.began_at),
            ("fills", account.fills, epoch.fills),
            ("live_orders", account.live_orders, len(live)),
        ):
            self._differ(name, stored, replayed)
        state = enums.TRADING_STATES[account.trading_state]
        self._differ("trading_state", state, replay.trading_state)
        mode = enums.MARGIN_MODES[account.margin_mode]
        self._differ("margin_mode", mode, replay.margin.mode)
        self._differ("had_margin", account.had_margin, replay.margin.had_margin)
        self._differ_money("interest_paid", account.interest_paid, replay.margin.interest_paid)
        self._differ_money("balance", account.balance, epoch.balance)
        self._differ_money("deposits", account.deposits, epoch.deposits)
        self._differ_money("initial_balance", account.initial_balance, epoch.initial_balance)
        self._differ_money("reserved", account.reserved, sum(order.reserved for order in live))
        if account.reserved < 0 or (
            account.reserved > account.balance and not replay.margin.is_margin
        ):
            self._say("the reserved money is not between 0 and the balance")
        if epoch.is_exact:
            self._differ_money("fees_paid", account.fees_paid, epoch.fees_paid)
            self._differ_money("realized_pnl", account.realized_pnl, epoch.realized_pnl)
            for name, figure in _statistics(epoch.trades).items():
                self._differ(name, getattr(account.statistics, name), figure)

    def _compare_positions(self, account: Account) -> None:
        epoch = self.replay.epoch
        selling = left_by(self.replay, order_pb2.SIDE_SELL)
        buying = left_by(self.replay, order_pb2.SIDE_BUY)
        stored = {position.symbol: position for position in self._rows.positions()}
        for symbol in sorted(stored.keys() | epoch.holdings.keys()):
            position = stored.get(symbol) or Position(account_id="", symbol=symbol)
            self._compare_position(position, epoch)
            left = position.reserved_quantity, position.open_buy_quantity
            self._differ_money(f"reserved quantity of {symbol}", left[0], selling.get(symbol, 0))
            self._differ_money(f"open buys of {symbol}", left[1], buying.get(symbol, 0))
        paid = sum(position.cost_basis + position.buy_fees for position in stored.values())
        if (
            account.balance
            != account.deposits + account.realized_pnl - paid - account.interest_paid
        ):
            self._say("the balance is not deposits and profits less interest and what is held cost")

    def _compare_position(self, position: Position, epoch: Epoch) -> None:
        held, name = epoch.holdings.get(position.symbol, Holding()), position.symbol
        self._differ_money(f"quantity of {name}", position.quantity, held.quantity)
        if epoch.is_exact:
            self._differ_money(f"average cost of {name}", position.average_cost, held.average_cost)
            self._differ_money(f"cost basis of {name}", position.cost_basis, held.cost_basis)
            self._differ_money(f"buy fees of {name}", position.buy_fees, held.buy_fees)

    def _compare_orders(self) -> None:
        left = dict(self.replay.orders)
        for order in self._rows.orders():
            replayed = left.pop(order.id, None)
            name = f"order {order.id}"
            if replayed is None:
                self._say(f"{name} is in no event")
                continue
            shown = answers.order(order).SerializeToString(deterministic=True)
            if shown != replayed.message:
                self._say(f"{name} is stored differently from its last event")
            self._differ(f"sequence of {name}", order.sequence, replayed.sequence)
            self._differ_money(f"filled of {name}", order.filled_quantity, replayed.filled)
            self._differ_money(f"closed by {name}", order.closed_quantity, replayed.closed)
            self._differ_money(f"fees of {name}", order.fees, replayed.fees)
            self._differ(f"notional of {name}", order.filled_notional, replayed.notional)
            if self.replay.epoch.is_exact and order.sequence > self.replay.epoch.sequence:
                self._differ_money(f"profit of {name}", order.realized_pnl, replayed.realized_pnl)
        for order_id in left:
            self._say(f"order {order_id} is in the log and not stored")

    def _compare_fills(self, told: dict[int, bytes]) -> None:
        for fill in self._rows.fills():
            self.fills += 1
            shown = answers.fill(fill).SerializeToString(deterministic=True)
            if told.pop(fill.sequence, None) != shown:
                self._say(f"fill {fill.sequence} is stored differently from its event")
        for sequence in told:
            self._say(f"fill {sequence} is in the log and not stored")

    def _compare_inflows(self, account: Account, inflows: Sequence[Inflow]) -> None:
        stored, share = dict[int, Units](), Fraction(1)
        for inflow in inflows:
            stored[inflow.sequence] = inflow.amount
            if inflow.sequence > account.epoch_sequence:
                share *= kept_share(inflow)
        if self.replay.margin.is_bankrupt:
            share = Fraction(0)
        if stored != self.replay.deposits:
            self._say("the deposits that are stored are not those of the log")
        if not isclose(account.initial_share, share, rel_tol=SHARE_TOLERANCE):
            self._say("initial_share is not what deposits leave of a share of 1")

    def _differ_money(self, what: str, stored: Units, replayed: Units) -> None:
        self._differ(what, format_units(stored), format_units(replayed))


def _statistics(trades: Sequence[Units]) -> dict[str, int]:
    """Return the figures over closed trades by name."""
    results = [(pnl > 0) - (pnl < 0) for pnl in trades]
    runs = [(result, len(list(run))) for result, run in groupby(results)]
    last = runs[-1] if runs else (0, 0)
    return {
        "trades": len(results),
        "wins": results.count(1),
        "gross_profit": sum(pnl for pnl in trades if pnl > 0),
        "gross_loss": -sum(pnl for pnl in trades if pnl < 0),
        "win_streak": last[1] if last[0] == 1 else 0,
        "loss_streak": last[1] if last[0] == -1 else 0,
        "longest_win_streak": max((length for result, length in runs if result == 1), default=0),
        "longest_loss_streak": max((length for result, length in runs if result == -1), default=0),
    }
