"""Instruments: what can be traded, with its quantity step, tick and depth of the market."""

from dataclasses import dataclass
from enum import Enum

from server.domain.errors import Reason, Violation
from server.domain.values import SCALE, KeyEnum, Micros, Price, Quantity, Units, format_units


class AssetType(KeyEnum):
    STOCK = "STOCK"
    CRYPTO = "CRYPTO"
    FOREX = "FOREX"
    ETF = "ETF"
    OPTION = "OPTION"
    COMMODITY = "COMMODITY"


class LiquidityClass(KeyEnum):
    LIQUID = "LIQUID"
    THIN = "THIN"


class OptionRight(Enum):
    CALL = "CALL"
    PUT = "PUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionTerms:
    """The terms of an option.

    `expiry` is the last trading day, `YYYY-MM-DD`, and `expires_at` its end in UTC.
    """

    underlying: str
    strike: Price
    expiry: str
    expires_at: Micros
    right: OptionRight


QUANTITY_STEPS: dict[AssetType, Quantity] = {
    AssetType.STOCK: Quantity(1),
    AssetType.ETF: Quantity(1),
    AssetType.CRYPTO: Quantity(1),
    AssetType.FOREX: Quantity(SCALE),
    AssetType.OPTION: Quantity(SCALE),
    AssetType.COMMODITY: Quantity(SCALE),
}


MARGINABLE = frozenset({AssetType.STOCK, AssetType.ETF})
"""What a MARGIN account can buy with borrowed money and sell short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One instrument, quoted in US dollars; money = quantity × price × multiplier.

    `own_quantity_step` is None for an instrument with the step of its asset type. `quote_currency`
    is what its source quotes in, which counts as US dollars.
    """

    symbol: str
    name: str
    asset_type: AssetType
    price_tick: Price
    liquidity_class: LiquidityClass = LiquidityClass.LIQUID
    multiplier: int = 1
    option: OptionTerms | None = None
    own_quantity_step: Quantity | None = None
    quote_currency: str = "USD"

    @property
    def quantity_step(self) -> Quantity:
        """Return the smallest quantity: the instrument's own, else that of its asset type."""
        return self.own_quantity_step or QUANTITY_STEPS[self.asset_type]

    @property
    def is_marginable(self) -> bool:
        """Tell whether a MARGIN account can buy it with borrowed money and sell it short."""
        return self.asset_type in MARGINABLE

    def may_be_called(self, asset_type: AssetType) -> bool:
        """Tell whether an order may name this asset type for the instrument.

        That is the instrument's own type, or STOCK for types that trade like stocks. Some clients
        send STOCK with every order; the symbol alone names the instrument.
        """
        return asset_type is self.asset_type or (
            asset_type is AssetType.STOCK and self.asset_type in (AssetType.ETF, AssetType.CRYPTO)
        )

    def has_expired(self, now: Micros) -> bool:
        """Tell whether the instrument is an option whose last day is over."""
        return self.option is not None and self.option.expires_at <= now

    def off_step(self, quantity: Quantity) -> Violation | None:
        """Return what is wrong with a quantity that is no multiple of the step."""
        if quantity % self.quantity_step == 0:
            return None
        message = self._not_a_multiple("quantity", quantity, self.quantity_step)
        return Violation("quantity", Reason.QUANTITY_OFF_STEP, message)

    def off_tick(self, field: str, price: Price) -> Violation | None:
        """Return what is wrong with a price, sent as `field`, that is no multiple of the tick."""
        if price % self.price_tick == 0:
            return None
        message = self._not_a_multiple(field, price, self.price_tick)
        return Violation(field, Reason.PRICE_OFF_TICK, message)

    def _not_a_multiple(self, field: str, value: Units, step: Units) -> str:
        return (
            f"`{field}` must be a multiple of {format_units(step)} for {self.symbol},"
            f" not {format_units(value)}."
        )
