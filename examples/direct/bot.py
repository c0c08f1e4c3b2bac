"""A bot in Python over gRPC: it buys, follows its order, cancels another, and reads its portfolio.

export BOTTRADING_BOT_KEY=tvt_…    # and BOTTRADING_TARGET, unless it is 127.0.0.1:50051
.venv/bin/python examples/direct/bot.py
"""

import uuid

from bottrading_client import BotTradingClient, BotTradingError, OrderStatus, OrderUpdate

DONE = {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED}

# The stream is open before the order is placed, so that nothing of it is missed.
with BotTradingClient() as client, client.order_updates() as updates:
    # The id makes it one order, however often the call is repeated.
    order = client.place_order("AAPL", "BUY", 2, client_order_id=str(uuid.uuid4()))
    for update in updates:
        if isinstance(update, OrderUpdate) and update.order.id == order.id:
            print(update.sequence, update.type, f"{update.order.filled_quantity:f}")
            if update.order.status in DONE:
                order = update.order
                break
    # An order that the rules of trading forbid is no error: it is REJECTED, and says why.
    print(order.status, order.filled_price, order.rejection_reason)

    # A limit far below the market waits until it is cancelled.
    bid = client.quote("AAPL").bid
    waiting = client.place_order(
        "AAPL", "BUY", 1, order_type="LIMIT", limit_price=round(bid / 2, 2)
    )
    print(waiting.status, waiting.limit_price, client.cancel_order(waiting.id).status)

    # An invalid request is an error that says what to change.
    try:
        client.place_order("AAPL", "BUY", 1, order_type="LIMIT")
    except BotTradingError as error:
        print(error.reason, error)

    portfolio = client.portfolio()
    print("equity", portfolio.total_equity)
    for position in portfolio.positions:
        print(position.symbol, position.quantity, position.unrealized_pnl)
