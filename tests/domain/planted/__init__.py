"""Bugs planted in the domain: each module registers some, and `BUGS` holds all by name."""

from tests.domain.planted import (
    accounts,
    closes,
    fills,
    groups,
    margin_groups,
    margins,
    orders,
    reservations,
    rules,
    sizes,
    trails,
)
from tests.domain.planted.planting import REGISTERED

__all__ = [
    "BUGS",
    "accounts",
    "closes",
    "fills",
    "groups",
    "margin_groups",
    "margins",
    "orders",
    "reservations",
    "rules",
    "sizes",
    "trails",
]

BUGS = REGISTERED
