"""The engine's service: frames of calls to commands, results to frames of answers."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, assert_never

import orjson
from google.protobuf.message import DecodeError, Message

from bottrading.v1 import bot_key_pb2, quote_pb2
from bottrading.v1 import bot_trading_pb2 as bot_trading
from bottrading.v1 import key_management_pb2 as key_management
from bottrading.v1 import market_data_pb2 as market_data
from server.application.commands import (
    AccountOpened,
    Cancelled,
    Command,
    Done,
    HoursTold,
    KeyCreated,
    KeyRevoked,
    KnowUser,
    OpenAccount,
    Placed,
    PlaceOrder,
    Previewed,
    PreviewOrder,
    QuotesPublished,
    RecordUsage,
    Replaced,
    Result,
    TellMarketHours,
    UserKnown,
)
from server.application.market_feed import MarketFeed
from server.application.ports import Clock
from server.application.trading import Trading
from server.domain.errors import Reason, Refusal
from server.domain.values import Micros
from server.engine.frames import (
    NOBODY,
    Call,
    Kind,
    Method,
    decode_identity,
    encode_quotes,
    encode_refusal,
    pack_answer,
    pack_doorbell,
)
from server.wire import answers, enums, requests

Told = (
    Placed
    | Previewed
    | Replaced
    | Cancelled
    | KeyCreated
    | KeyRevoked
    | QuotesPublished
    | HoursTold
)
"""The results that are messages of the contract."""

MALFORMED = Refusal(
    reason=Reason.MALFORMED_REQUEST, message="The request is no message of this call."
)


class EngineService:
    """Answers calls in batches."""

    def __init__(
        self, trading: Trading, feed: MarketFeed, events: answers.Events, clock: Clock
    ) -> None:
        self._trading = trading
        self._feed = feed
        self._events = events
        self._clock = clock

    @property
    def is_behind(self) -> bool:
        """Tell whether time is to pass again at once, between the calls that wait."""
        return self._trading.is_behind

    def handle(self, calls: Sequence[Call], first: Sequence[Command] = ()) -> list[bytes]:
        """Decide and store the engine's own commands and then calls; return the frames to send."""
        read = [self._read(call) for call in calls]
        commands = [command for command in read if not isinstance(command, Refusal)]
        batch = self._trading.handle([*first, *commands]) if commands or first else None
        results = iter(batch.results[len(first) :] if batch else ())
        frames = [pack_doorbell(doorbell) for doorbell in (batch.doorbells if batch else ())]
        for call, command in zip(calls, read, strict=True):
            result = command if isinstance(command, Refusal) else next(results)
            frames.append(self._answer(call, command, result))
        self._events.forget()
        return frames

    def board(self) -> bytes:
        """Return the frame that tells the quotes of the last run, which are stale."""
        return pack_answer(NOBODY, Kind.QUOTES_LOADED, encode_quotes(self._feed.board.all()))

    def _read(self, call: Call) -> Command | Refusal:
        try:
            return self._READERS[call.method](self, call)
        except DecodeError:
            return MALFORMED

    def _answer(self, call: Call, command: Command | Refusal, result: Result) -> bytes:
        if isinstance(result, Refusal):
            return pack_answer(call.id, Kind.REFUSAL, encode_refusal(result))
        if isinstance(result, UserKnown):
            user = result.user
            return pack_answer(call.id, Kind.RESPONSE, orjson.dumps([user.id, user.account_id]))
        if isinstance(result, AccountOpened):
            return pack_answer(call.id, Kind.RESPONSE, result.account_id.encode())
        if isinstance(result, Done):
            return pack_answer(call.id, Kind.RESPONSE, b"")
        message = self._message(call, result)
        if isinstance(command, PlaceOrder | PreviewOrder) and command.warnings:
            _add_warnings(message, command.warnings)
        return pack_answer(call.id, Kind.RESPONSE, message.SerializeToString())

    def _message(self, call: Call, result: Told) -> Message:
        match result:
            case Previewed(preview):
                return bot_trading.PreviewOrderResponse(preview=answers.preview(preview))
            case Replaced(order):
                return bot_trading.ReplaceOrderResponse(
                    order=self._events.order(order, replayed=False)
                )
            case HoursTold(now, hours):
                return market_data.GetMarketClockResponse(clock=answers.market_clock(now, hours))
            case Placed(order, replayed):
                return bot_trading.PlaceOrderResponse(
                    order=self._events.order(order, replayed=replayed)
                )
            case Cancelled(orders, skipped):
                if call.method is Method.CANCEL_ORDER:
                    return bot_trading.CancelOrderResponse(order=answers.order(orders[0]))
                return bot_trading.CancelAllOrdersResponse(
                    orders=answers.orders(orders), skipped_orders=skipped
                )
            case KeyCreated(key, secret):
                new_key = bot_key_pb2.NewBotKey(
                    id=key.id,
                    label=key.label,
                    key=secret,
                    created_at=answers.timestamp(key.created_at),
                )
                return key_management.CreateBotKeyResponse(bot_key=new_key)
            case KeyRevoked(key):
                return key_management.RevokeBotKeyResponse(bot_key=answers.bot_key(key))
            case QuotesPublished(accepted, refused):
                return market_data.PublishQuotesResponse(
                    accepted=accepted,
                    refused=[
                        quote_pb2.RefusedQuote(symbol=symbol, reason=enums.QUOTE_REFUSALS[why])
                        for symbol, why in refused
                    ],
                )
        assert_never(result)

    def _place_order(self, call: Call) -> Command | Refusal:
        request = bot_trading.PlaceOrderRequest.FromString(call.body)
        instruments = self._feed.instruments
        ticket = requests.order_ticket(request, call.caller_id, call.bot_key_id, instruments)
        if isinstance(ticket, Refusal):
            return ticket
        return PlaceOrder(ticket, requests.order_warnings(request, ticket, instruments))

    def _preview_order(self, call: Call) -> Command | Refusal:
        request = bot_trading.PreviewOrderRequest.FromString(call.body)
        instruments = self._feed.instruments
        ticket = requests.order_ticket(request, call.caller_id, call.bot_key_id, instruments)
        if isinstance(ticket, Refusal):
            return ticket
        return PreviewOrder(ticket, requests.order_warnings(request, ticket, instruments))

    def _replace_order(self, call: Call) -> Command | Refusal:
        request = bot_trading.ReplaceOrderRequest.FromString(call.body)
        return requests.replace_order(request, call.caller_id, call.bot_key_id)

    def _cancel_order(self, call: Call) -> Command | Refusal:
        request = bot_trading.CancelOrderRequest.FromString(call.body)
        return requests.cancel_order(request, call.caller_id, call.bot_key_id)

    def _cancel_all_orders(self, call: Call) -> Command | Refusal:
        request = bot_trading.CancelAllOrdersRequest.FromString(call.body)
        return requests.cancel_all_orders(
            request, call.caller_id, call.bot_key_id, self._feed.instruments
        )

    def _create_bot_key(self, call: Call) -> Command | Refusal:
        request = key_management.CreateBotKeyRequest.FromString(call.body)
        return requests.create_bot_key(request, call.caller_id, self._feed.instruments)

    def _revoke_bot_key(self, call: Call) -> Command | Refusal:
        request = key_management.RevokeBotKeyRequest.FromString(call.body)
        return requests.revoke_bot_key(request, call.caller_id)

    def _open_account(self, call: Call) -> Command:
        key_management.OpenAccountRequest.FromString(call.body)
        return OpenAccount(call.caller_id)

    def _reset_account(self, call: Call) -> Command | Refusal:
        request = key_management.ResetAccountRequest.FromString(call.body)
        return requests.reset_account(request, call.caller_id)

    def _deposit(self, call: Call) -> Command | Refusal:
        request = key_management.DepositRequest.FromString(call.body)
        return requests.deposit(request)

    def _set_trading_state(self, call: Call) -> Command | Refusal:
        request = key_management.SetTradingStateRequest.FromString(call.body)
        return requests.set_trading_state(request, call.caller_id)

    def _set_guard_rails(self, call: Call) -> Command | Refusal:
        request = key_management.SetGuardRailsRequest.FromString(call.body)
        return requests.set_guard_rails(request, call.caller_id)

    def _get_market_clock(self, call: Call) -> Command:
        market_data.GetMarketClockRequest.FromString(call.body)
        return TellMarketHours(call.bot_key_id)

    def _publish_quotes(self, call: Call) -> Command | Refusal:
        request = market_data.PublishQuotesRequest.FromString(call.body)
        return requests.publish_quotes(request, self._clock())

    def _know_user(self, call: Call) -> Command:
        return KnowUser(decode_identity(call.body))

    def _record_usage(self, call: Call) -> Command:
        calls, keys = orjson.loads(call.body)
        return RecordUsage(
            tuple((account, day, count) for account, day, count in calls),
            tuple((key, moment) for key, moment in keys),
        )

    _READERS: ClassVar[dict[Method, Callable[[Any, Call], Command | Refusal]]] = {
        Method.PLACE_ORDER: _place_order,
        Method.CANCEL_ORDER: _cancel_order,
        Method.CANCEL_ALL_ORDERS: _cancel_all_orders,
        Method.CREATE_BOT_KEY: _create_bot_key,
        Method.REVOKE_BOT_KEY: _revoke_bot_key,
        Method.PUBLISH_QUOTES: _publish_quotes,
        Method.KNOW_USER: _know_user,
        Method.RECORD_USAGE: _record_usage,
        Method.PREVIEW_ORDER: _preview_order,
        Method.REPLACE_ORDER: _replace_order,
        Method.SET_TRADING_STATE: _set_trading_state,
        Method.SET_GUARD_RAILS: _set_guard_rails,
        Method.GET_MARKET_CLOCK: _get_market_clock,
        Method.OPEN_ACCOUNT: _open_account,
        Method.RESET_ACCOUNT: _reset_account,
        Method.DEPOSIT: _deposit,
    }


def _add_warnings(answer: Message, warnings: Sequence[str]) -> None:
    """Tell warnings in an answer: they are about its call, and no part of the order."""
    if isinstance(answer, bot_trading.PlaceOrderResponse):
        answer.order.warnings.extend(warnings)
    elif isinstance(answer, bot_trading.PreviewOrderResponse):
        answer.preview.order.warnings.extend(warnings)


def encode_usage(
    calls: Sequence[tuple[str, int, int]], keys: Sequence[tuple[str, Micros]]
) -> bytes:
    """Return counts of calls and last uses of keys as the body of RECORD_USAGE."""
    return orjson.dumps([calls, keys])
