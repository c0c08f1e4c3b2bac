"""A person with an account, a bot key and orders, for an engine without other processes."""

from bottrading.v1 import bot_trading_pb2, key_management_pb2, order_pb2
from server.application.callers import SERVICE, Caller
from server.bootstrap.engine import EngineParts
from server.domain.user import Identity, Plan
from server.engine.frames import Call, FrameBuffer, decode_user, encode_identity, unpack_answer

ORDER = bot_trading_pb2.PlaceOrderRequest(
    symbol="AAPL", side=order_pb2.SIDE_BUY, quantity="0.01"
).SerializeToString()


def customer(parts: EngineParts, subject: str = "bench") -> tuple[str, str]:
    """Make a person known; return the ids of their account and of a bot key for it."""
    identity = Identity(issuer="", subject=subject, name="bench", plan=Plan.FREE, is_operator=False)
    user_id, account_id, _ = decode_user(
        answer_of(parts, Call(1, "KnowUser", SERVICE, encode_identity(identity)))
    )
    request = key_management_pb2.CreateBotKeyRequest(label="bench").SerializeToString()
    made = key_management_pb2.CreateBotKeyResponse.FromString(
        answer_of(parts, Call(1, "CreateBotKey", Caller(user_id=user_id), request))
    )
    return account_id, made.bot_key.id


def market_order(number: int, account_id: str, key_id: str) -> Call:
    """Return the call that buys a hundredth of a share at once."""
    return Call(number, "PlaceOrder", Caller(account_id=account_id, bot_key_id=key_id), ORDER)


def answer_of(parts: EngineParts, call: Call) -> bytes:
    """Return the body of the answer to a call."""
    *_, frame = FrameBuffer().feed(b"".join(parts.service.handle([call])))
    return unpack_answer(frame).body
