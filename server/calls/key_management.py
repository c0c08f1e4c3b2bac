"""The calls of KeyManagement: people manage keys and accounts, operators deposit money."""

from server.application.accounts import Accounts
from server.application.keys import Keys
from server.application.queries import Queries
from server.rpc.figures import Figures
from server.rpc.own_tokens import OwnTokens
from server.wire import accounts, keys
from server.wire.rows import Decided, Queried, Route

SignIn = Queried(
    route=Route.EVERYONE,
    read=keys.sign_in,
    query=OwnTokens.begin_session,
    answer=keys.signed_in,
    from_memory=True,
)
CreateBotKey = Decided(
    route=Route.OWN_USER,
    read=keys.create_bot_key,
    decide=Keys.create,
    answer=keys.bot_key_created,
)
ListBotKeys = Queried(
    route=Route.OWN_USER,
    read=accounts.own_user,
    query=Queries.keys,
    answer=keys.bot_keys_listed,
)
RevokeBotKey = Decided(
    route=Route.OWN_USER,
    read=keys.revoke_bot_key,
    decide=Keys.revoke,
    answer=keys.bot_key_revoked,
)
OpenAccount = Decided(
    route=Route.OWN_USER,
    read=keys.open_account,
    decide=Accounts.open,
    answer=keys.account_opened,
    complete=Figures.add_calls_used,
)
ListAccounts = Queried(
    route=Route.OWN_USER,
    read=accounts.own_user,
    query=Queries.accounts,
    answer=keys.accounts_listed,
    complete=Figures.add_calls_used,
)
ResetAccount = Decided(
    route=Route.NAMED_ACCOUNT,
    read=keys.reset_account,
    decide=Accounts.reset,
    answer=keys.account_reset,
    complete=Figures.add_calls_used,
)
SetTradingState = Decided(
    route=Route.NAMED_ACCOUNT,
    read=keys.set_trading_state,
    decide=Accounts.set_trading_state,
    answer=keys.trading_state_set,
    complete=Figures.add_calls_used,
)
SetMarginMode = Decided(
    route=Route.NAMED_ACCOUNT,
    read=keys.set_margin_mode,
    decide=Accounts.set_margin_mode,
    answer=keys.margin_mode_set,
    complete=Figures.add_calls_used,
)
SetGuardRails = Decided(
    route=Route.NAMED_ACCOUNT,
    read=keys.set_guard_rails,
    decide=Accounts.set_guard_rails,
    answer=keys.guard_rails_set,
)
Deposit = Decided(
    route=Route.NAMED_ACCOUNT,
    read=keys.deposit,
    decide=Accounts.deposit,
    answer=keys.deposited,
    complete=Figures.add_calls_used,
)
