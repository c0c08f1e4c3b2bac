"""The synchronous client: what it sends, when it retries, and what it raises."""

import time
import uuid

import grpc
import pytest
from google.rpc import error_details_pb2

from bottrading.v1 import (
    account_pb2,
    bot_trading_pb2,
    key_management_pb2,
    leaderboard_pb2,
    order_pb2,
)
from bottrading_client import (
    AuthenticationFailed,
    BotTradingClient,
    Conflict,
    DeadlineExceeded,
    ErrorReason,
    InternalError,
    InvalidRequest,
    KeyManagementClient,
    NotFound,
    NotOffered,
    OutcomeUnknown,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    ServiceUnavailable,
    Violation,
)
from server.domain.errors import Reason
from server.rpc.errors import STATUS_OF
from tests.clients.python.far_end import FarEnd, after, answer, because, refuse

EXCEPTIONS = {
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationFailed,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.UNIMPLEMENTED: NotOffered,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: Conflict,
    grpc.StatusCode.OUT_OF_RANGE: Conflict,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.RESOURCE_EXHAUSTED: RateLimited,
    grpc.StatusCode.UNAVAILABLE: ServiceUnavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.INTERNAL: InternalError,
}
SAID_BY_REASON = {
    Reason.MESSAGE_TOO_LARGE: InvalidRequest,
    Reason.DAILY_QUOTA_EXCEEDED: QuotaExceeded,
}
SHORT = 0.05
"""Too short for the pause before a second attempt."""


@pytest.fixture
def far_end() -> FarEnd:
    return FarEnd()


@pytest.fixture
def client(far_end: FarEnd) -> BotTradingClient:
    return BotTradingClient("tvt_key", channel=far_end.channel)


@pytest.fixture
def keys(far_end: FarEnd) -> KeyManagementClient:
    return KeyManagementClient("token", channel=far_end.channel)


@pytest.mark.parametrize("reason", list(Reason), ids=str)
def test_every_reason_is_raised_as_what_its_status_means(
    far_end: FarEnd, client: BotTradingClient, reason: Reason
) -> None:
    making = far_end.make(client.with_timeout(SHORT).account)
    _, _, call = far_end.take("BotTrading", "GetAccount")
    code = STATUS_OF[reason]
    refuse(call, code, because(reason.value, last_sequence="7"), message="Do it differently.")

    error = making.failure()
    assert type(error) is SAID_BY_REASON.get(reason, EXCEPTIONS[code])
    assert error.reason is ErrorReason(reason.value)
    assert (error.status, error.request_id) == (code.name, "request-1")
    assert (str(error), error.metadata) == ("Do it differently.", {"last_sequence": "7"})


def test_a_reason_of_a_newer_server_survives(far_end: FarEnd, client: BotTradingClient) -> None:
    making = far_end.make(client.account)
    _, _, call = far_end.take("BotTrading", "GetAccount")
    refuse(call, grpc.StatusCode.FAILED_PRECONDITION, because("MOON_NOT_FULL"))

    assert making.failure().reason == "MOON_NOT_FULL"


def test_the_violations_of_a_request_are_told(far_end: FarEnd, client: BotTradingClient) -> None:
    making = far_end.make(client.place_order, "AAPL", "BUY", 0)
    _, _, call = far_end.take("BotTrading", "PlaceOrder")
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="quantity", description="Above zero.", reason="NOT_POSITIVE")
    refuse(call, grpc.StatusCode.INVALID_ARGUMENT, because("NOT_POSITIVE"), bad)

    assert making.failure().violations == (
        Violation("quantity", "Above zero.", ErrorReason.NOT_POSITIVE),
    )


def test_details_that_are_no_message_leave_the_status(
    far_end: FarEnd, client: BotTradingClient
) -> None:
    making = far_end.make(client.account)
    _, _, call = far_end.take("BotTrading", "GetAccount")
    trailers = (("grpc-status-details-bin", b"\xff\xff"),)
    call.terminate(None, trailers, grpc.StatusCode.NOT_FOUND, "Nothing here.")

    assert type(making.failure()) is NotFound


def test_a_message_that_grpc_itself_finds_too_large_is_no_matter_of_rates(
    far_end: FarEnd, client: BotTradingClient
) -> None:
    making = far_end.make(client.account)
    _, _, call = far_end.take("BotTrading", "GetAccount")
    call.terminate(None, (), grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger …")

    error = making.failure()
    assert (type(error), error.reason) == (InvalidRequest, ErrorReason.MESSAGE_TOO_LARGE)


@pytest.mark.parametrize("code", ["UNAVAILABLE", "CANCELLED", "UNKNOWN", "INTERNAL"])
def test_a_server_that_goes_in_the_middle_of_a_call_is_asked_again_whatever_grpc_calls_it(
    far_end: FarEnd, client: BotTradingClient, code: str
) -> None:
    placing = far_end.make(client.place_order, "AAPL", "BUY", 10)
    _, first, call = far_end.take("BotTrading", "PlaceOrder")
    call.terminate(None, (), grpc.StatusCode[code], "")
    _, second, call = far_end.take("BotTrading", "PlaceOrder")
    call.terminate(None, (), grpc.StatusCode[code], "")
    far_end.take("BotTrading", "PlaceOrder")[2].terminate(
        bot_trading_pb2.PlaceOrderResponse(order=an_order("mine")), (), grpc.StatusCode.OK, ""
    )

    assert first == second
    assert placing.answer().client_order_id == "mine"


def test_an_order_is_sent_with_an_id_and_again_with_the_same(
    far_end: FarEnd, client: BotTradingClient
) -> None:
    placing = far_end.make(client.place_order, "AAPL", "BUY", 10)
    metadata, first, call = far_end.take("BotTrading", "PlaceOrder")
    refuse(call, grpc.StatusCode.UNAVAILABLE)
    _, second, call = far_end.take("BotTrading", "PlaceOrder")
    answer(call, bot_trading_pb2.PlaceOrderResponse(order=an_order(first.client_order_id)))

    assert metadata["x-bot-key"] == "tvt_key"
    assert first == second
    assert str(uuid.UUID(first.client_order_id)) == placing.answer().client_order_id


def test_the_id_of_the_caller_is_kept(far_end: FarEnd, client: BotTradingClient) -> None:
    placing = far_end.make(client.place_order, "AAPL", "BUY", 10, client_order_id="mine")
    _, request, call = far_end.take("BotTrading", "PlaceOrder")
    answer(call, bot_trading_pb2.PlaceOrderResponse(order=an_order("mine")))

    assert request.client_order_id == placing.answer().client_order_id == "mine"


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED], ids=str
)
def test_a_change_without_an_answer_has_an_unknown_outcome(
    far_end: FarEnd, client: BotTradingClient, code: grpc.StatusCode
) -> None:
    placing = far_end.make(client.with_timeout(SHORT).place_order, "AAPL", "BUY", 10)
    _, request, call = far_end.take("BotTrading", "PlaceOrder")
    refuse(call, code)

    error = placing.failure()
    assert type(error) is OutcomeUnknown
    assert error.client_order_id == request.client_order_id
    assert isinstance(error.__cause__, EXCEPTIONS[code])


def test_a_refusal_of_a_later_attempt_does_not_hide_that_the_first_may_have_been_made(
    far_end: FarEnd, client: BotTradingClient
) -> None:
    placing = far_end.make(client.place_order, "AAPL", "BUY", 10)
    _, _, call = far_end.take("BotTrading", "PlaceOrder")
    refuse(call, grpc.StatusCode.UNAVAILABLE)
    _, _, call = far_end.take("BotTrading", "PlaceOrder")
    refuse(call, grpc.StatusCode.UNAUTHENTICATED, because("BOT_KEY_INVALID"))

    error = placing.failure()
    assert type(error) is OutcomeUnknown
    assert isinstance(error.__cause__, AuthenticationFailed)


def test_a_request_that_is_wrong_in_itself_was_wrong_in_every_attempt(
    far_end: FarEnd, client: BotTradingClient
) -> None:
    placing = far_end.make(client.place_order, "AAPL", "BUY", 0)
    _, _, call = far_end.take("BotTrading", "PlaceOrder")
    refuse(call, grpc.StatusCode.UNAVAILABLE)
    _, _, call = far_end.take("BotTrading", "PlaceOrder")
    refuse(call, grpc.StatusCode.INVALID_ARGUMENT, because("NOT_POSITIVE"))

    assert type(placing.failure()) is InvalidRequest


def test_a_read_without_an_answer_is_just_that(far_end: FarEnd, client: BotTradingClient) -> None:
    reading = far_end.make(client.with_timeout(SHORT).account)
    _, _, call = far_end.take("BotTrading", "GetAccount")
    refuse(call, grpc.StatusCode.UNAVAILABLE)

    error = reading.failure()
    assert (type(error), error.reason) == (ServiceUnavailable, ErrorReason.UNAVAILABLE)


def test_what_would_change_again_is_sent_once(far_end: FarEnd, keys: KeyManagementClient) -> None:
    making = far_end.make(keys.create_key, "bot")
    metadata, _, call = far_end.take("KeyManagement", "CreateBotKey")
    refuse(call, grpc.StatusCode.UNAVAILABLE)

    error = making.failure()
    assert metadata["authorization"] == "Bearer token"
    assert (type(error), error.client_order_id) == (OutcomeUnknown, "")


def test_what_was_not_executed_is_sent_again_whatever_it_would_change(
    far_end: FarEnd, keys: KeyManagementClient
) -> None:
    making = far_end.make(keys.open_account)
    _, _, call = far_end.take("KeyManagement", "OpenAccount")
    refuse(call, grpc.StatusCode.UNAVAILABLE, because("UNAVAILABLE", executed="false"))
    _, _, call = far_end.take("KeyManagement", "OpenAccount")
    answer(call, key_management_pb2.OpenAccountResponse(account=an_account()))

    assert making.answer().bot_user_id == "1"


def test_a_change_that_was_never_executed_has_no_unknown_outcome(
    far_end: FarEnd, client: BotTradingClient
) -> None:
    placing = far_end.make(client.with_timeout(SHORT).place_order, "AAPL", "BUY", 10)
    _, _, call = far_end.take("BotTrading", "PlaceOrder")
    refuse(call, grpc.StatusCode.UNAVAILABLE, because("UNAVAILABLE", executed="false"))

    error = placing.failure()
    assert (type(error), error.is_not_executed) == (ServiceUnavailable, True)


def test_an_attempt_that_was_not_executed_does_not_hide_that_an_earlier_one_may_have_been(
    far_end: FarEnd, client: BotTradingClient
) -> None:
    placing = far_end.make(client.place_order, "AAPL", "BUY", 10)
    _, _, call = far_end.take("BotTrading", "PlaceOrder")
    refuse(call, grpc.StatusCode.UNAVAILABLE, because("UNAVAILABLE"))
    _, _, call = far_end.take("BotTrading", "PlaceOrder")
    not_executed = because("UNAVAILABLE", executed="false")
    refuse(call, grpc.StatusCode.UNAVAILABLE, not_executed, after(60))

    error = placing.failure()
    assert (type(error), error.is_not_executed) == (OutcomeUnknown, False)
    assert error.__cause__.is_not_executed


def test_a_refusal_for_the_rate_is_waited_out_where_there_is_time(
    far_end: FarEnd, keys: KeyManagementClient
) -> None:
    """This includes calls that are not idempotent, because a refused call changed nothing."""
    began = time.monotonic()
    making = far_end.make(keys.open_account)
    _, _, call = far_end.take("KeyManagement", "OpenAccount")
    refuse(call, grpc.StatusCode.RESOURCE_EXHAUSTED, because("REQUEST_RATE_EXCEEDED"), after(1))
    _, _, call = far_end.take("KeyManagement", "OpenAccount")
    answer(call, key_management_pb2.OpenAccountResponse(account=an_account()))

    assert making.answer().bot_user_id == "1"
    assert time.monotonic() - began >= 1


def test_a_refusal_for_the_rate_is_told_at_once_where_there_is_no_time(
    far_end: FarEnd, client: BotTradingClient
) -> None:
    placing = far_end.make(client.place_order, "AAPL", "BUY", 10)
    _, _, call = far_end.take("BotTrading", "PlaceOrder")
    refuse(call, grpc.StatusCode.RESOURCE_EXHAUSTED, because("ORDER_RATE_EXCEEDED"), after(60))

    error = placing.failure()
    assert (type(error), error.retry_after) == (RateLimited, 60)


def test_a_quota_that_is_used_up_is_told_at_once(far_end: FarEnd, client: BotTradingClient) -> None:
    reading = far_end.make(client.account)
    _, _, call = far_end.take("BotTrading", "GetAccount")
    refuse(call, grpc.StatusCode.RESOURCE_EXHAUSTED, because("DAILY_QUOTA_EXCEEDED"), after(1))

    assert type(reading.failure()) is QuotaExceeded


def test_a_conflict_of_the_servers_own_is_tried_again(
    far_end: FarEnd, client: BotTradingClient
) -> None:
    reading = far_end.make(client.account)
    _, _, call = far_end.take("BotTrading", "GetAccount")
    refuse(call, grpc.StatusCode.ABORTED, because("CONFLICT"))
    _, _, call = far_end.take("BotTrading", "GetAccount")
    answer(call, bot_trading_pb2.GetAccountResponse(account=an_account()))

    assert reading.answer().bot_user_id == "1"


def test_the_leaderboard_is_read_with_the_callers_own_row(
    far_end: FarEnd, client: BotTradingClient
) -> None:
    reading = far_end.make(client.leaderboard, "WEEK", limit=3, page_token="2")
    _, request, call = far_end.take("BotTrading", "GetLeaderboard")
    row = leaderboard_pb2.LeaderboardEntry(rank=4, display_name="Ada", return_pct=-1.5, own=True)
    told = bot_trading_pb2.GetLeaderboardResponse(
        entries=[row], own_entry=row, rank_total=9, next_page_token="3"
    )
    answer(call, told)

    assert (request.period, request.limit, request.page_token) == (
        leaderboard_pb2.LEADERBOARD_PERIOD_WEEK,
        3,
        "2",
    )
    board = reading.answer()
    assert board.entries == (board.own_entry,)
    assert (board.own_entry.rank, board.own_entry.return_pct, board.own_entry.win_rate) == (
        4,
        -1.5,
        None,
    )
    assert (board.rank_total, board.next_page_token) == (9, "3")


def an_order(client_order_id: str) -> order_pb2.Order:
    return order_pb2.Order(
        id="1",
        quantity="10.00000000",
        filled_quantity="0.00000000",
        fees="0.00",
        reserved="0.00",
        client_order_id=client_order_id,
    )


def an_account() -> account_pb2.Account:
    return account_pb2.Account(bot_user_id="1", balance="1.00", buying_power="1.00")
