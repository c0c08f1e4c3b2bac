"""Accounts as the contract shows them: figures of the ledger, the plan and the day's calls."""

from bottrading.v1 import account_pb2
from server.application.ports import Clock
from server.application.rate_limits import UsageMeter
from server.domain.account import Account
from server.domain.user import User
from server.domain.values import format_money
from server.wire import answers, enums


class AccountView:
    """Shows accounts of this server's environment; `wall_clock` tells which day it is."""

    def __init__(self, environment: str, meter: UsageMeter, wall_clock: Clock) -> None:
        self.environment = account_pb2.Environment.Value(f"ENVIRONMENT_{environment}")
        self._meter = meter
        self._wall_clock = wall_clock

    def __call__(self, account: Account, user: User, keys: int) -> account_pb2.Account:
        """Return an account; `keys` is the number of its owner's live bot keys."""
        plan = user.identity.plan
        return account_pb2.Account(
            bot_user_id=account.id,
            display_name=user.identity.name,
            balance=format_money(account.balance),
            user_type=account_pb2.USER_TYPE_HUMAN,
            status=account_pb2.ACCOUNT_STATUS_ACTIVE,
            created_at=answers.timestamp(account.created_at),
            api_calls_used=self._meter.calls(account.id, self._wall_clock()),
            api_calls_limit=plan.api_calls_per_day,
            plan=plan.value,
            bot_keys_used=keys,
            bot_keys_limit=plan.bot_keys,
            buying_power=format_money(account.buying_power),
            environment=self.environment,
            trading_state=enums.TRADING_STATES[account.trading_state],
            resets=account.resets,
            epoch_began_at=answers.timestamp(account.epoch_began_at),
        )
