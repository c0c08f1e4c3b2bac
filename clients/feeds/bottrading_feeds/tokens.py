"""Tokens: how a feed gets that of an operator, and the next one before it ends."""

import asyncio
import os
from collections.abc import Callable, Mapping

TOKEN_VARIABLE = "BOTTRADING_TOKEN"
READ_BYTES = 65_536


class NoToken(Exception):
    """There is no token; the message is one line for a person."""


def environment_token(environment: Mapping[str, str]) -> Callable[[], str]:
    """Return the token of the environment; raise NoToken if there is none."""
    token = environment.get(TOKEN_VARIABLE, "").strip()
    if not token:
        raise NoToken(
            f"set {TOKEN_VARIABLE} to an operator's token, as `bottrading token feed --operator`"
            " prints it, or run `bottrading feed`, which signs its own"
        )
    return lambda: token


class PipedTokens:
    """The tokens that the parent process writes to a pipe, one a line; the newest one counts.

    `on_end` is called when the parent closes the pipe, as its end does.
    """

    def __init__(self, descriptor: int, on_end: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_end = on_end
        self._begun = b""
        self._newest = ""
        self._has_come = asyncio.Event()
        os.set_blocking(descriptor, False)
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def __call__(self) -> str:
        """Return the newest token."""
        return self._newest

    async def wait(self) -> None:
        """Wait for the first token, or for the end of the pipe."""
        await self._has_come.wait()

    def _read(self) -> None:
        read = os.read(self._descriptor, READ_BYTES)
        if not read:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            self._has_come.set()
            self._on_end()
            return
        *lines, self._begun = (self._begun + read).split(b"\n")
        if lines:
            self._newest = lines[-1].decode().strip()
            self._has_come.set()
