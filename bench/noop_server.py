"""The yardstick: a bare grpc.aio server on uvloop, same messages, no interceptors, no work."""

import sys

import grpc
import uvloop

from bottrading.v1 import bot_trading_pb2 as pb
from bottrading.v1 import order_pb2

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


async def place_order(request: pb.PlaceOrderRequest, context: object) -> pb.PlaceOrderResponse:
    """Answer without doing anything."""
    del request, context
    return pb.PlaceOrderResponse(order=ORDER)


async def main(address: str) -> None:
    """Serve until killed."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler = grpc.unary_unary_rpc_method_handler(
        place_order,
        request_deserializer=pb.PlaceOrderRequest.FromString,
        response_serializer=pb.PlaceOrderResponse.SerializeToString,
    )
    service = grpc.method_handlers_generic_handler(
        "bottrading.v1.BotTrading", {"PlaceOrder": handler}
    )
    server.add_generic_rpc_handlers((service,))
    server.add_insecure_port(address)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
