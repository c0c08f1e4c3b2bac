"""Inputs that are guided by the code that they reach.

`python -m tests.reliability.guided KIND DIRECTORY` makes them: KIND is json, for the bridge's
reader of bodies, or protobuf, for the engine, and the directory is empty. What follows is for
libFuzzer, such as `-runs=1000`. The first byte of an input chooses the route or the method.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["rest_bridge", "server.application", "server.domain", "server.wire"]
):
    from rest_bridge.errors import Refusal
    from rest_bridge.routes import contract_routes
    from rest_bridge.transcoding import RequestReader
    from server.calls.table import ROWS
    from server.domain.errors import Reason
    from server.domain.user import Identity, Plan
    from server.engine.frames import Kind, decode_refusal, decode_user, encode_identity
    from server.wire.contract import methods
    from server.wire.rows import Decided
    from tests.engine.bench import Bench, call


from server.config import DATABASE_FILE
from server.storage.migrate import bring_up_to_date
from tests.reliability.hostile import SYMBOLS, Hostile
from tests.support.venue import NOON, ManualClock

SEEDS_EACH = 20
METHODS = [method for method in methods() if isinstance(ROWS[method.path], Decided)]
ROUTES = [route for route in contract_routes() if route.takes_body]

Target = Callable[[bytes], None]


def json_reader() -> Target:
    """Return a target that converts a body to a message, or refuses it."""
    readers = [RequestReader(route) for route in ROUTES]

    def read(data: bytes) -> None:
        try:
            readers[data[0] % len(readers)].read((), b"", data[1:])
        except Refusal as refusal:
            if refusal.status >= 500:
                raise

    return read


def engine(data_dir: Path) -> Target:
    """Return a target that decides and stores a call; no answer may be a bug of the server."""
    bring_up_to_date(data_dir / DATABASE_FILE)
    bench = Bench(data_dir, ManualClock(NOON))
    identity = Identity(issuer="i", subject="a", name="a", plan=Plan.FREE, is_operator=False)
    [known, *_] = bench.handle(call(1, "KnowUser", "", encode_identity(identity)))
    user_id, account_id, _ = decode_user(known.body)
    for symbol in SYMBOLS:
        bench.handle(bench.publish(symbol, "100", "100.01"))

    def decide(data: bytes) -> None:
        method = METHODS[data[0] % len(METHODS)]
        is_of_a_bot = method.credential is not None and method.credential.is_of_a_bot
        caller_id = account_id if is_of_a_bot else user_id
        told = bench.handle(call(1, method.name, caller_id, data[1:]))
        [answer] = [answer for answer in told if answer.call_id == 1]
        if answer.kind is Kind.REFUSAL:
            refusal = decode_refusal(answer.body)
            if refusal.reason in (Reason.INTERNAL, Reason.UNAVAILABLE):
                raise RuntimeError(f"{method.name}: {refusal.message}")

    return decide


def write_seeds(kind: str, directory: Path) -> None:
    """Write inputs to begin with, some for each route or method."""
    hostile = Hostile(seed=1)
    for number in range(SEEDS_EACH * len(ROUTES if kind == "json" else METHODS)):
        if kind == "json":
            chosen = number % len(ROUTES)
            body = hostile.json(ROUTES[chosen].method.input_type, ROUTES[chosen].parameters)
        else:
            chosen = number % len(METHODS)
            body = hostile.body(METHODS[chosen].request_type.DESCRIPTOR)
        (directory / str(number)).write_bytes(bytes([chosen]) + body)


def main() -> None:
    """Run a target until it fails or libFuzzer has enough."""
    kind, directory, *options = sys.argv[1:]
    data_dir, seeds = Path(directory) / "data", Path(directory) / "seeds"
    data_dir.mkdir()
    seeds.mkdir()
    write_seeds(kind, seeds)
    target = json_reader() if kind == "json" else engine(data_dir)
    atheris.Setup([sys.argv[0], *options, str(seeds)], lambda data: target(data or b"\0"))
    # It ends the process: nothing after it is run.
    atheris.Fuzz()


if __name__ == "__main__":
    main()
