"""Places of a listener's connections, and which connection is closed for a new one."""

import ipaddress
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from rest_bridge.settings import Settings

_NETWORK_BITS = 64


class Connection(Protocol):
    """A connection that can have a place."""

    @property
    def network(self) -> str:
        """The address from which it comes."""

    @property
    def awaits_client(self) -> bool:
        """Tell whether it waits for its client, to send something or to read an answer."""

    @property
    def is_between_requests(self) -> bool:
        """Tell whether it can be ended without loss: no request has begun, no answer is pending."""

    def end(self) -> None:
        """End it at once."""


class Places:
    """The connections of a listener, the longest idle first.

    A connection is a stranger's until the server has accepted a credential on it. A stranger's
    connection is closed for any new one. A customer's is closed only between two requests, and only
    if no stranger's can be. The strangers of one network have their own limit.
    """

    def __init__(self, settings: Settings) -> None:
        self._places = settings.connections_max
        self._places_of_network = settings.strangers_per_address_max
        self._strangers: dict[Connection, None] = {}
        self._customers: dict[Connection, None] = {}
        self._of_network: Counter[str] = Counter()

    def take(self, connection: Connection) -> bool:
        """Give a connection a place, perhaps that of the longest idle; tell whether it got one."""
        network = connection.network
        if self._of_network[network] >= self._places_of_network:
            has_room = self._end_stranger(lambda one: one.network == network)
        elif len(self._strangers) + len(self._customers) >= self._places:
            has_room = self._end_stranger(lambda _: True) or self._end_customer()
        else:
            has_room = True
        if has_room:
            self._strangers[connection] = None
            self._of_network[network] += 1
        return has_room

    def stir(self, connection: Connection) -> None:
        """Note that a connection is the least idle of all."""
        for group in (self._strangers, self._customers):
            if connection in group:
                del group[connection]
                group[connection] = None

    def know(self, connection: Connection) -> None:
        """Note that a connection is a customer's."""
        if connection in self._strangers:
            self.leave(connection)
            self._customers[connection] = None

    def leave(self, connection: Connection) -> None:
        """Take a place back, if the connection still has one."""
        self._customers.pop(connection, None)
        if connection in self._strangers:
            del self._strangers[connection]
            self._of_network[connection.network] -= 1
            if not self._of_network[connection.network]:
                del self._of_network[connection.network]

    def _end_stranger(self, is_meant: Callable[[Connection], bool]) -> bool:
        candidates = (one for one in self._strangers if one.awaits_client and is_meant(one))
        return self._end(next(candidates, None))

    def _end_customer(self) -> bool:
        return self._end(next((one for one in self._customers if one.is_between_requests), None))

    def _end(self, connection: Connection | None) -> bool:
        if connection is None:
            return False
        self.leave(connection)
        connection.end()
        return True


def network_of(host: str) -> str:
    """Return what counts as one address; for IPv6 the network, because one host may use all of it.

    Without an address, as at a Unix socket, the host itself is returned.
    """
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), _NETWORK_BITS), strict=False))
