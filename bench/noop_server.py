"""A bare grpc.aio server on uvloop to compare with: same messages, no interceptors, no work."""

import asyncio
import sys
from typing import Any

import grpc
import uvloop

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import fill_pb2, order_pb2, order_update_pb2

ORDER = order_pb2.Order(
    id="0198c0de-0000-7000-8000-000000000000",
    symbol="AAPL",
    side=order_pb2.SIDE_BUY,
    order_type=order_pb2.ORDER_TYPE_MARKET,
    quantity="0.01000000",
    status=order_pb2.ORDER_STATUS_FILLED,
    filled_quantity="0.01000000",
    filled_price="185.50000000",
    bot_key_id="0198c0de-0000-7000-8000-000000000001",
    fees="1.00",
    reserved="0.00",
)
FILL = fill_pb2.Fill(
    id="0198c0de-0000-7000-8000-000000000002",
    order_id=ORDER.id,
    symbol="AAPL",
    side=order_pb2.SIDE_BUY,
    quantity="0.01000000",
    price="185.50000000",
    amount="1.86",
    fee="1.00",
    bot_key_id=ORDER.bot_key_id,
)


async def place_order(request: pb.PlaceOrderRequest, context: object) -> pb.PlaceOrderResponse:
    """Answer without doing anything."""
    del request, context
    return pb.PlaceOrderResponse(order=ORDER)


class Fanning:
    """Streams that all send the same messages once they are released, and nothing else."""

    def __init__(self) -> None:
        self._go = asyncio.Event()
        self._message = pb.StreamOrderUpdatesResponse(
            sequence=1, order_update=order_update_pb2.OrderUpdate(order=ORDER, fill=FILL)
        ).SerializeToString()

    async def go(self, request: bytes, context: object) -> bytes:
        """Release the waiting streams."""
        del context
        self._go.set()
        self._go = asyncio.Event()
        return request

    async def stream(self, request: bytes, context: "grpc.aio.ServicerContext[Any, Any]") -> None:
        """Send one message, wait, and send as many as the request asks for."""
        count = pb.StreamOrderUpdatesRequest.FromString(request).after_sequence
        go = self._go
        await context.write(self._message)
        await go.wait()
        for _ in range(count):
            await context.write(self._message)


async def main(address: str) -> None:
    """Serve until killed."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler = grpc.unary_unary_rpc_method_handler(
        place_order,
        request_deserializer=pb.PlaceOrderRequest.FromString,
        response_serializer=pb.PlaceOrderResponse.SerializeToString,
    )
    fanning = Fanning()
    service = grpc.method_handlers_generic_handler(
        "bottrading.v1.BotTrading",
        {
            "PlaceOrder": handler,
            "StreamOrderUpdates": grpc.unary_stream_rpc_method_handler(fanning.stream),
            "Go": grpc.unary_unary_rpc_method_handler(fanning.go),
        },
    )
    server.add_generic_rpc_handlers((service,))
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
