"""A bot for tests in other languages: reads an order a line, answers each with a line of JSON."""

import json
import sys

from bottrading_client import BotTradingClient, BotTradingError


def main() -> None:
    """Place each order as it is told, with the key and at the address of the command line."""
    key, target = sys.argv[1:]
    with BotTradingClient(key, target) as client:
        for line in sys.stdin:
            print(json.dumps(_placed(client, *line.split())), flush=True)


def _placed(
    client: BotTradingClient, side: str, symbol: str, quantity: str, limit_price: str = ""
) -> dict[str, str | None]:
    limit, kind = (limit_price, "LIMIT") if limit_price else (None, "MARKET")
    try:
        order = client.place_order(symbol, side, quantity, order_type=kind, limit_price=limit)
    except BotTradingError as error:
        return {"status": "REFUSED", "reason": error.reason}
    return {"status": order.status, "reason": order.rejection_reason}


if __name__ == "__main__":
    main()
