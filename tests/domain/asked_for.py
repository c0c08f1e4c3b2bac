"""What an order asks for: all that only a replacement may change."""

from server.domain.order import Order


def asked_for(order: Order) -> tuple[object, ...]:
    """Return what no update but REPLACED changes."""
    return (
        order.symbol,
        order.side,
        order.order_type,
        order.quantity,
        order.limit_price,
        order.stop_price,
        order.notional,
        order.trail_amount,
        order.trail_percent,
        order.time_in_force,
        order.sequence,
        order.created_at,
        order.expires_at,
    )
