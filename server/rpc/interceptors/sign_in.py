"""Sign-in tokens: each signs in once, however often it is sent."""

from server.application.callers import SERVICE
from server.application.commands import UseSignIn
from server.application.ports import Clock
from server.domain.sharding import shard_of
from server.domain.values import SECOND
from server.engine.client import Engine
from server.engine.frames import encode_use_of_sign_in
from server.rpc.call import Call, Handler
from server.wire.contract import Credential, Method


class SignIns:
    """Stores that the token is used before the answer is sent; refuses a token that was used."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def wrap(self, method: Method, proceed: Handler) -> Handler:
        """Return a handler that uses up the sign-in token of its caller."""
        if method.credential is not Credential.SIGN_IN_TOKEN:
            return proceed

        async def handle(call: Call) -> bytes:
            sign_in = call.caller.sign_in
            assert sign_in is not None, "the call is authenticated"
            expires_at = sign_in.identity.expires_at * SECOND
            # A call that cannot be answered leaves the token unused.
            answer = await proceed(call)
            use = UseSignIn(sign_in.token_id, expires_at, self._clock())
            body, shard = encode_use_of_sign_in(use), shard_of(use.token_id)
            await self._engine.call("UseSignIn", SERVICE, body, shard)
            return answer

        return handle
