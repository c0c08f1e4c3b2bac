"""Answers to calls about orders and fills."""

from bottrading.v1 import bot_trading_pb2 as pb
from server.application.commands import Cancelled, Placed, Previewed, Replaced
from server.application.paging import Page
from server.domain.events import Fill
from server.domain.order import Order
from server.domain.values import format_money
from server.wire import answers, enums


def placed(result: Placed) -> pb.PlaceOrderResponse:
    """Answer PlaceOrder."""
    shown = result.shown or answers.order(result.order, replayed=result.replayed)
    answer = pb.PlaceOrderResponse(order=shown)
    answer.order.warnings.extend(result.warnings)
    return answer


def previewed(result: Previewed) -> pb.PreviewOrderResponse:
    """Answer PreviewOrder."""
    found = result.preview
    order = answers.order(found.order)
    order.warnings.extend(result.warnings)
    return pb.PreviewOrderResponse(
        preview=pb.OrderPreview(
            order=order,
            estimated_fees=format_money(found.order.fees),
            buying_power_after=format_money(found.account.buying_power),
            rejections=[rejection.message for rejection in found.rejections],
            rejection_reasons=[enums.REASONS[rejection.reason] for rejection in found.rejections],
        )
    )


def replaced(result: Replaced) -> pb.ReplaceOrderResponse:
    """Answer ReplaceOrder."""
    return pb.ReplaceOrderResponse(order=result.shown or answers.order(result.order))


def cancelled(result: Cancelled) -> pb.CancelOrderResponse:
    """Answer CancelOrder."""
    return pb.CancelOrderResponse(order=answers.order(result.orders[0]))


def all_cancelled(result: Cancelled) -> pb.CancelAllOrdersResponse:
    """Answer CancelAllOrders."""
    return pb.CancelAllOrdersResponse(
        orders=map(answers.order, result.orders), skipped_orders=result.skipped
    )


def order_read(order: Order) -> pb.GetOrderResponse:
    """Answer GetOrder."""
    return pb.GetOrderResponse(order=answers.order(order))


def orders_listed(page: Page[Order]) -> pb.ListOrdersResponse:
    """Answer ListOrders."""
    return pb.ListOrdersResponse(
        orders=map(answers.order, page.items), next_page_token=page.next_token
    )


def fills_listed(page: Page[Fill]) -> pb.ListFillsResponse:
    """Answer ListFills."""
    return pb.ListFillsResponse(
        fills=map(answers.fill, page.items), next_page_token=page.next_token
    )
