// The person's accounts: they are opened, chosen and reset here.

import type { Account } from "bottrading-client";

import { accountId, type AccountScope, chooseAccount } from "../service/account-scope.js";
import { accountName } from "../shared/accounts.js";
import { ActionButton } from "../shared/action.js";
import { confirmed } from "../shared/confirm.js";
import { count, money } from "../shared/format.js";
import { Section } from "../shared/section.js";
import { type Column, Table } from "../shared/table.js";
import { Time } from "../shared/time.js";

export function Accounts({ scope }: { scope: AccountScope }) {
  const accounts = scope.person.accounts.value.value ?? [];
  return (
    <Section
      title="Accounts"
      number={accounts.length}
      actions={
        <ActionButton class="button" action={() => open(scope)}>
          Open an account
        </ActionButton>
      }
    >
      <Table
        caption="Accounts"
        columns={columnsOf(scope, accounts)}
        rows={accounts}
        keyOf={({ bot_user_id }) => bot_user_id}
      />
    </Section>
  );
}

function columnsOf(scope: AccountScope, accounts: readonly Account[]): Column<Account>[] {
  const nameOf = (account: Account) => accountName(accounts, accounts.indexOf(account));
  return [
    {
      title: "Account",
      cell: (account) => (
        <>
          {nameOf(account)}{" "}
          {account.bot_user_id === accountId.value && <span class="tag tag-accent">Shown</span>}
          <span class="sub">
            {account === accounts[0] ? "Ranked on the leaderboard" : "Not ranked"}
          </span>
        </>
      ),
    },
    { title: "Cash", kind: "figure", cell: ({ balance }) => money(balance) },
    {
      title: "Opened",
      kind: "figure",
      from: "medium",
      cell: ({ created_at }) => <Time at={created_at} />,
    },
    { title: "Resets", kind: "figure", from: "small", cell: ({ resets }) => count(resets) },
    {
      title: "",
      label: "Actions",
      kind: "action",
      cell: (account) => (
        <div class="choices">
          {account.bot_user_id !== accountId.value && (
            <button
              class="button button-small"
              type="button"
              aria-label={`Show ${nameOf(account)}`}
              onClick={() => chooseAccount(account.bot_user_id)}
            >
              Show
            </button>
          )}
          <ActionButton
            label={`Reset ${nameOf(account)}`}
            action={() => reset(scope, account, nameOf(account))}
          >
            Reset
          </ActionButton>
        </div>
      ),
    },
  ];
}

async function open(scope: AccountScope): Promise<string> {
  const opened = await scope.person.management.openAccount();
  scope.person.accounts.refresh();
  return `An account with ${money(opened.balance)} is open.`;
}

async function reset(scope: AccountScope, account: Account, name: string): Promise<string | void> {
  const isWanted = await confirmed({
    title: `Reset ${name}?`,
    text: "All live orders are cancelled, all positions are dropped, and figures start again with the starting balance. Keys, orders, fills and the log stay. This cannot be undone.",
    action: "Reset account",
  });
  if (!isWanted) return;
  const fresh = await scope.person.management.resetAccount(account.bot_user_id);
  scope.person.accounts.refresh();
  return `${name} starts again with ${money(fresh.balance)}.`;
}
