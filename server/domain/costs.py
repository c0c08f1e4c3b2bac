"""Costs of trading: fees, slippage, liquidity, and the cost of an order."""

from dataclasses import dataclass
from typing import Protocol

from server.domain.instrument import AssetType, Instrument, LiquidityClass
from server.domain.margin import DEFAULT_TERMS, MarginTerms
from server.domain.order import Order, Side
from server.domain.values import (
    CENT,
    SCALE,
    Money,
    Price,
    Quantity,
    Units,
    cents_down,
    cents_up,
    divide_up,
)

BASIS_POINTS = 10_000


class FeeModel(Protocol):
    """How fees are charged."""

    def total(self, instrument: Instrument, quantity: Quantity, notional: int) -> Units:
        """Return the fee of an order that filled `quantity`, in whole cents.

        `notional` is the exact sum of quantity × price in units of 10⁻¹⁶, without the
        multiplier. The result never falls when quantity and notional grow.
        """


class SlippageModel(Protocol):
    """How much worse than the quote an order fills when it arrives or is triggered."""

    def taking_price(
        self,
        instrument: Instrument,
        side: Side,
        price: Price,
        *,
        size: Quantity,
        taken: Quantity,
        quantity: Quantity,
    ) -> Price:
        """Return the price for `quantity` of a displayed `size` of which `taken` is used."""

    def worst_price(self, instrument: Instrument, side: Side, price: Price) -> Price:
        """Return the worst possible price of a fill against the quote."""


class LiquidityModel(Protocol):
    """How much of a quote an account can take."""

    def available(self, size: Quantity, taken: Quantity) -> Units | None:
        """Return the part of a displayed size that is not taken yet; None for no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRate:
    """A fee per unit or as a share of the notional, between a minimum and a cap per order."""

    per_unit: Units = 0
    share_of_notional_bps: int = 0
    minimum: Units = 0
    cap: Units | None = None


FEE_SCHEDULE: dict[AssetType, FeeRate] = {
    AssetType.STOCK: FeeRate(per_unit=SCALE // 200, minimum=100 * CENT, cap=1_000 * CENT),
    AssetType.ETF: FeeRate(per_unit=SCALE // 200, minimum=100 * CENT, cap=1_000 * CENT),
    AssetType.CRYPTO: FeeRate(share_of_notional_bps=10, minimum=50 * CENT),
    AssetType.FOREX: FeeRate(),
    AssetType.COMMODITY: FeeRate(per_unit=150 * CENT),
    AssetType.OPTION: FeeRate(per_unit=65 * CENT),
}


@dataclass(frozen=True, slots=True)
class ScheduledFees:
    """Fees by asset type."""

    schedule: dict[AssetType, FeeRate]

    def total(self, instrument: Instrument, quantity: Quantity, notional: int) -> Units:
        """Return the rate times the totals, within minimum and cap, rounded up to whole cents."""
        rate = self.schedule[instrument.asset_type]
        fee = cents_up(
            quantity * rate.per_unit * BASIS_POINTS
            + notional * instrument.multiplier * rate.share_of_notional_bps,
            SCALE * BASIS_POINTS,
        )
        fee = max(fee, rate.minimum)
        return fee if rate.cap is None else min(fee, rate.cap)


class NoFees:
    """Trading is free."""

    def total(self, instrument: Instrument, quantity: Quantity, notional: int) -> Units:
        return 0


SLIPPAGE_BPS: dict[LiquidityClass, tuple[int, int]] = {
    LiquidityClass.LIQUID: (0, 2),
    LiquidityClass.THIN: (5, 20),
}
"""Slippage in basis points, with none and with all of the displayed size used."""


class LinearSlippage:
    """Slippage that grows with the share of the displayed size that is used."""

    def taking_price(
        self,
        instrument: Instrument,
        side: Side,
        price: Price,
        *,
        size: Quantity,
        taken: Quantity,
        quantity: Quantity,
    ) -> Price:
        """Return the price with the mean slippage, low + (high − low) × share used, over the fill.

        Earlier fills against this quote count in the share, so that splitting an order gains
        nothing. The price is rounded against the account.
        """
        low, high = SLIPPAGE_BPS[instrument.liquidity_class]
        # The mean of the shares used before and after is (2 × taken + quantity) ÷ (2 × size).
        used, whole = 2 * taken + quantity, 2 * size
        if used >= whole:
            return self.worst_price(instrument, side, price)
        bps = low * whole + (high - low) * used
        return _worse(side, price, bps, BASIS_POINTS * whole)

    def worst_price(self, instrument: Instrument, side: Side, price: Price) -> Price:
        """Return the price with the highest slippage of the instrument's class."""
        _, high = SLIPPAGE_BPS[instrument.liquidity_class]
        return _worse(side, price, high, BASIS_POINTS)


class NoSlippage:
    """Every fill is at the quote."""

    def taking_price(
        self,
        instrument: Instrument,
        side: Side,
        price: Price,
        *,
        size: Quantity,
        taken: Quantity,
        quantity: Quantity,
    ) -> Price:
        return price

    def worst_price(self, instrument: Instrument, side: Side, price: Price) -> Price:
        return price


class DisplayedLiquidity:
    """An account takes at most the displayed size, once per quote."""

    def available(self, size: Quantity, taken: Quantity) -> Units | None:
        return max(size - taken, 0)


class UnlimitedLiquidity:
    """Every quote fills any quantity."""

    def available(self, size: Quantity, taken: Quantity) -> Units | None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The cost models of a market, and the terms of margin trading."""

    fees: FeeModel
    slippage: SlippageModel
    liquidity: LiquidityModel
    margin: MarginTerms = DEFAULT_TERMS


def paid(instrument: Instrument, notional: int) -> Units:
    """Return the money for a sum of quantity × price in 10⁻¹⁶, rounded up to cents."""
    return cents_up(notional * instrument.multiplier, SCALE)


def received(instrument: Instrument, notional: int) -> Units:
    """Return the money that a sum of quantity × price in 10⁻¹⁶ brings, rounded down to cents."""
    return cents_down(notional * instrument.multiplier, SCALE)


def fee_due(
    order: Order, quantity: Quantity, notional: int, instrument: Instrument, costs: Costs
) -> Units:
    """Return the fee still due for an order once its fills total `quantity` and `notional`.

    It is the fee of all fills less what was already charged. Minimum and cap of the fee count
    from the order's `fee_start`.
    """
    start = order.fee_start
    total = costs.fees.total(
        instrument, Quantity(quantity - start.quantity), notional - start.notional
    )
    return max(total - (order.fees - start.fees), 0)


def cost_to_fill(
    order: Order, quantity: Quantity, price: Price, instrument: Instrument, costs: Costs
) -> Units:
    """Return the money for filling `quantity` more of a BUY order at `price`, including the fee.

    Money is rounded up on the total of the order. Its fills together therefore never cost more
    than the money reserved for the whole order.
    """
    notional = order.filled_notional + price * quantity
    fee = fee_due(order, Quantity(order.filled_quantity + quantity), notional, instrument, costs)
    return paid(instrument, notional) - paid(instrument, order.filled_notional) + fee


def affordable_quantity(
    order: Order,
    quantity: Quantity,
    price: Price,
    money: Money,
    instrument: Instrument,
    costs: Costs,
) -> Quantity:
    """Return the largest part of `quantity` that `money` pays at `price`, floored to the step."""
    if cost_to_fill(order, quantity, price, instrument, costs) <= money:
        return quantity
    step = instrument.quantity_step
    low, high = 0, quantity // step
    while low < high:
        middle = (low + high + 1) // 2
        if cost_to_fill(order, Quantity(middle * step), price, instrument, costs) <= money:
            low = middle
        else:
            high = middle - 1
    return Quantity(low * step)


def _worse(side: Side, price: Price, numerator: int, denominator: int) -> Price:
    if side is Side.BUY:
        return Price(divide_up(price * (denominator + numerator), denominator))
    return Price(max(price * (denominator - numerator) // denominator, 1))
