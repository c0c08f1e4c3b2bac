"""Run a whole venue on this machine: PostgreSQL, two replicas, and a proxy in front of both.

`make run-cluster` starts it. It shows how the parts fit together. Real venues have replicas on
several machines, a PostgreSQL that somebody looks after, and a load balancer of their own.
"""

import argparse
import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.cluster.postgresql import CannotRun, PostgresServer
from examples.cluster.proxy import Port, Proxy, Replica

COMMAND = ".venv/bin/bottrading"
REPLICAS = 2
POLL_SECONDS = 0.05
VARIABLE = "BOTTRADING_DATABASE"
DEFAULTS = {Port.GRPC: "127.0.0.1:50051", Port.REST: "127.0.0.1:8080"}


@dataclass(frozen=True, slots=True)
class Started:
    """A replica that was started."""

    name: str
    replica: Replica
    process: Process
    data_dir: Path
    log: Path

    async def wait_until_ready(self) -> None:
        while not self.replica.is_ready:
            if self.process.returncode is not None:
                raise CannotRun(f"{self.name} does not start: {self.log} says why")
            await asyncio.sleep(POLL_SECONDS)

    async def tell_end(self) -> None:
        """Wait until it ends, and tell that."""
        status = await self.process.wait()
        print(f"{self.name} has ended with status {status}: {self.log} says why", flush=True)


def main() -> int:
    """Run the venue until SIGINT, SIGTERM or SIGHUP; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--directory", type=Path, default=Path("data-cluster"))
    for port, address in DEFAULTS.items():
        default = os.environ.get(f"BOTTRADING_{port.upper()}", address)
        parser.add_argument(f"--{port}", metavar="HOST:PORT", default=default)
    os.umask(0o077)
    return asyncio.run(Cluster(parser.parse_args()).run())


class Cluster:
    """All processes of the venue, and the proxy."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._directory: Path = options.directory
        self._addresses = {Port.GRPC: options.grpc, Port.REST: options.rest}
        self._directory.mkdir(exist_ok=True)
        self._postgresql = PostgresServer(self._directory / "postgresql")
        self._environment = os.environ | {VARIABLE: self._postgresql.url}
        self._is_stopped = False

    async def run(self) -> int:
        running = asyncio.ensure_future(self._run())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, self._stop, running)
        try:
            await running
        except asyncio.CancelledError:
            print("Everything has stopped.")
            return 0
        except (CannotRun, OSError) as error:
            print(f"run-cluster: {error}", file=sys.stderr)
        return 1

    def _stop(self, running: "asyncio.Future[None]") -> None:
        if not self._is_stopped:
            self._is_stopped = True
            print("Stopping the replicas, then PostgreSQL.", flush=True)
            running.cancel()

    async def _run(self) -> None:
        """Start everything in order; when cancelled, stop it in the other order."""
        replicas = [Replica(grpc=free_address(), rest=free_address()) for _ in range(REPLICAS)]
        proxy = Proxy(replicas)
        async with AsyncExitStack() as stack:
            # An address that is in use is told before anything is started.
            servers = [await proxy.bind(*bound) for bound in self._addresses.items()]
            print("Starting PostgreSQL.", flush=True)
            database = await stack.enter_async_context(self._postgresql.running())
            print("Starting the replicas.", flush=True)
            started = await stack.enter_async_context(self._running(replicas))
            watching = asyncio.create_task(proxy.watch())
            stack.callback(watching.cancel)
            await asyncio.gather(*(it.wait_until_ready() for it in started))
            for server in servers:
                await server.start_serving()
                stack.callback(server.close)
            await self._announce(started)
            ended = asyncio.create_task(tell_ends(started))
            stack.callback(ended.cancel)
            gone = asyncio.create_task(database.wait())
            await asyncio.wait({ended, gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise CannotRun(f"PostgreSQL has ended: {self._postgresql.log} says why")
            raise CannotRun("no replica runs any more")

    @asynccontextmanager
    async def _running(self, replicas: list[Replica]) -> AsyncIterator[list[Started]]:
        """Run the replicas during the block; stop those that still run at its end."""
        started = list[Started]()
        try:
            for number, replica in enumerate(replicas, start=1):
                started.append(await self._start(number, replica))
            yield started
        finally:
            for it in started:
                if it.process.returncode is None:
                    it.process.terminate()
            await asyncio.gather(*(it.process.wait() for it in started))

    async def _start(self, number: int, replica: Replica) -> Started:
        data_dir = self._directory / f"replica-{number}"
        path = self._directory / f"replica-{number}.log"
        with path.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "server", "serve", "--data-dir", data_dir),
                *("--grpc", replica.grpc, "--rest", replica.rest),
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # An interrupt at the terminal reaches this process alone, which stops the others.
                start_new_session=True,
            )
        return Started(f"replica {number}", replica, process, data_dir, path)

    async def _announce(self, started: list[Started]) -> None:
        data_dir, rest = started[0].data_dir, self._addresses[Port.REST]
        lines = {
            "page": f"http://{rest}/",
            "REST": f"http://{rest}/api/trade/v1/bot",
            "gRPC": self._addresses[Port.GRPC],
            **{
                it.name: f"REST {it.replica.rest}, gRPC {it.replica.grpc}, log {it.log}"
                for it in started
            },
            "PostgreSQL": f"{self._postgresql.url}, log {self._postgresql.log}",
        }
        print("\nA venue of two replicas is ready. A proxy spreads connections over both.\n")
        for name, told in lines.items():
            print(f"  {name:<12}{told}")
        print(
            "\n  Next, in a second terminal:\n"
            f"    export {VARIABLE}='{self._postgresql.url}'\n"
            f"    {COMMAND} key create --label my-first-bot --data-dir {data_dir}\n"
        )
        if sys.stdout.isatty():
            # The link is secret; output that is no terminal may be kept.
            print(f"  Open {await self._link(started[0])}\n  It signs you in once.\n")
        print("  Ctrl-C ends the replicas and PostgreSQL. Their data is kept.", flush=True)

    async def _link(self, started: Started) -> str:
        """Return a link that signs a person in to the page, at the proxy."""
        asked = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "server", "open", "--data-dir", started.data_dir),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await asked.communicate()
        return told.decode().strip().replace(started.replica.rest, self._addresses[Port.REST])


async def tell_ends(started: list[Started]) -> None:
    """Wait until all replicas have ended, and tell the end of each."""
    await asyncio.gather(*(it.tell_end() for it in started))


def free_address() -> str:
    """Return an address of this machine whose port nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


if __name__ == "__main__":
    sys.exit(main())
