"""The calls of KeyManagement: what people do for their bots, and operators with accounts."""

from server.application.accounts import Accounts
from server.application.keys import Keys
from server.application.queries import Queries
from server.rpc.figures import Figures
from server.wire import account_answers, filters, key_requests
from server.wire.rows import Decided, Queried, Route

CreateBotKey = Decided(
    read=key_requests.create_bot_key,
    decide=Keys.create,
    answer=account_answers.bot_key_created,
)
ListBotKeys = Queried(
    read=filters.own_user,
    query=Queries.keys,
    answer=account_answers.bot_keys_listed,
)
RevokeBotKey = Decided(
    read=key_requests.revoke_bot_key,
    decide=Keys.revoke,
    answer=account_answers.bot_key_revoked,
)
OpenAccount = Decided(
    read=key_requests.open_account,
    decide=Accounts.open,
    answer=account_answers.account_opened,
    complete=Figures.add_calls_used,
)
ListAccounts = Queried(
    read=filters.own_user,
    query=Queries.accounts,
    answer=account_answers.accounts_listed,
    complete=Figures.add_calls_used,
)
ResetAccount = Decided(
    route=Route.NAMED_ACCOUNT,
    read=key_requests.reset_account,
    decide=Accounts.reset,
    answer=account_answers.account_reset,
    complete=Figures.add_calls_used,
)
SetTradingState = Decided(
    route=Route.NAMED_ACCOUNT,
    read=key_requests.set_trading_state,
    decide=Accounts.set_trading_state,
    answer=account_answers.trading_state_set,
    complete=Figures.add_calls_used,
)
SetGuardRails = Decided(
    route=Route.NAMED_ACCOUNT,
    read=key_requests.set_guard_rails,
    decide=Accounts.set_guard_rails,
    answer=account_answers.guard_rails_set,
)
Deposit = Decided(
    route=Route.NAMED_ACCOUNT,
    read=key_requests.deposit,
    decide=Accounts.deposit,
    answer=account_answers.deposited,
    complete=Figures.add_calls_used,
)
