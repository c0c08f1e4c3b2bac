// How accounts are named: the first one is ranked, the others are numbered.

import type { Account } from "bottrading-client";

import { shortId } from "./format.js";

/** Return the name of the account at an index of the person's accounts. */
export function accountName(accounts: readonly Account[], index: number): string {
  const name = index === 0 ? "Main account" : `Account ${index + 1}`;
  return accounts.length > 1 ? `${name} · ${shortId(accounts[index]!.bot_user_id)}` : name;
}
