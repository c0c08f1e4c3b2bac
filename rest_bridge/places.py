"""Who has a place among a listener's connections, and who makes room for one more."""

import ipaddress
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from rest_bridge.settings import Settings

_NETWORK_BITS = 64


class Connection(Protocol):
    """What a place is given to."""

    @property
    def network(self) -> str:
        """Where it comes from."""

    @property
    def awaits_client(self) -> bool:
        """Tell whether it waits for its client to ask, to send the rest, or to take an answer."""

    @property
    def is_between_requests(self) -> bool:
        """Tell whether it can be ended without a trace: nothing was begun, nothing is owed."""

    def end(self) -> None:
        """End it at once."""


class Places:
    """The connections of a listener, the idlest first.

    A connection is a stranger's until the server has taken a credential on it. Strangers make room
    for whoever comes, customers between two requests only when no stranger can; and the strangers
    of one network have a bound of their own.
    """

    def __init__(self, settings: Settings) -> None:
        self._places = settings.connections_max
        self._places_of_network = settings.strangers_per_address_max
        self._strangers: dict[Connection, None] = {}
        self._customers: dict[Connection, None] = {}
        self._of_network: Counter[str] = Counter()

    def take(self, connection: Connection) -> bool:
        """Give a new connection a place, if need be that of the idlest; tell whether it has one."""
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
    """Return what counts as one address: of IPv6 the network, whose addresses one host may all use.

    Where there is no address, as at a socket of a file, the host stands for itself.
    """
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address), _NETWORK_BITS), strict=False))
