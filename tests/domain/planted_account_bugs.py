"""Bugs to be planted in what happens to accounts and in their figures."""

from tests.domain.planted_bugs import PlantedBug

BUGS = [
    PlantedBug("zero is a loss", "account", "if pnl < 0 else 0", "if pnl <= 0 else 0"),
    PlantedBug(
        "a settlement forgets the multiplier",
        "account_changes",
        "position.quantity * price * instrument.multiplier",
        "position.quantity * price",
    ),
    PlantedBug(
        "a put pays like a call",
        "account_changes",
        "strike - underlying_price, 0)",
        "underlying_price - strike, 0)",
    ),
    PlantedBug(
        "a settlement is rounded up",
        "account_changes",
        "amount = cents_down(position.quantity * price",
        "amount = -cents_down(-position.quantity * price",
    ),
    PlantedBug(
        "a settlement leaves out the fees of buying",
        "account_changes",
        "amount - position.cost_basis - position.buy_fees",
        "amount - position.cost_basis",
    ),
    PlantedBug(
        "a reset keeps the fees",
        "account_changes",
        "realized_pnl=0,\n        fees_paid=0,",
        "realized_pnl=0,",
    ),
    PlantedBug(
        "a reset keeps the cost of what it drops",
        "account_changes",
        "cost_basis=0, buy_fees=0)\n        for",
        "buy_fees=0)\n        for",
    ),
    PlantedBug(
        "a reset refills the quotes",
        "account_changes",
        "cost_basis=0, buy_fees=0)\n        for",
        "cost_basis=0, buy_fees=0, ask_taken=0, bid_taken=0)\n        for",
    ),
    PlantedBug(
        "a reset begins no epoch",
        "account_changes",
        "resets=account.resets + 1,\n        epoch_sequence=sequence,",
        "resets=account.resets + 1,",
    ),
    PlantedBug(
        "a deposit is a gain",
        "account_changes",
        "account.initial_share * (equity / (equity + amount))",
        "account.initial_share",
    ),
    PlantedBug(
        "a deposit is weighed by what the account is worth after it",
        "account_changes",
        "account.initial_share * (equity / (equity + amount))",
        "account.initial_share * ((equity + amount) / (equity + 2 * amount))",
    ),
    PlantedBug(
        "a deposit knows what the account was worth after it",
        "account_changes",
        "equity_before=equity,",
        "equity_before=equity + amount,",
    ),
    PlantedBug(
        "a reset keeps what was traded", "account_changes", "        traded=frozenset(),\n", ""
    ),
    PlantedBug(
        "what was lost makes room for a deposit",
        "account_changes",
        "most = max(account.deposits, equity)",
        "most = equity",
    ),
]
