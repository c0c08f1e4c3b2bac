// An account that the reader looks at: its clients, its log and its figures.

import { computed, effect, signal, untracked } from "@preact/signals";
import {
  type Account,
  BotTradingClient,
  KeyManagementClient,
  type MarketClock,
} from "bottrading-client";

import { session } from "../session/session.js";
import { Figure } from "./figure.js";
import { AccountLog } from "./log.js";

/** Calls of the person who is signed in. */
export class PersonScope {
  readonly token: string;
  readonly management: KeyManagementClient;
  readonly accounts: Figure<Account[]>;
  readonly keys;

  constructor(token: string) {
    this.token = token;
    this.management = new KeyManagementClient({ token, baseUrl: location.origin });
    this.accounts = new Figure(() => this.management.accounts(), { everyMs: 10_000 });
    this.keys = new Figure(() => this.management.keys(), { everyMs: 10_000 });
  }
}

/** Calls and figures of one account. */
export class AccountScope {
  readonly id: string;
  readonly person: PersonScope;
  readonly client: BotTradingClient;
  readonly log: AccountLog;
  readonly portfolio;
  readonly kpi;
  readonly limits;
  readonly clock: Figure<MarketClock>;

  constructor(person: PersonScope, id: string) {
    const { token } = person;
    this.id = id;
    this.person = person;
    this.client = new BotTradingClient({ token, accountId: id, baseUrl: location.origin });
    this.portfolio = new Figure(() => this.client.portfolio(), {
      everyMs: 2_000,
      atMostEveryMs: 1_500,
    });
    this.kpi = new Figure(() => this.client.kpi(), { everyMs: 10_000, atMostEveryMs: 5_000 });
    this.limits = new Figure(() => this.client.limits(), { everyMs: 5_000, atMostEveryMs: 2_000 });
    this.clock = new Figure(() => this.client.clock(), { everyMs: 5_000 });
    this.log = new AccountLog(this.client, (entries) => {
      this.portfolio.refresh();
      this.kpi.refresh();
      if (entries.some(({ kind }) => kind === "account_update")) person.accounts.refresh();
    });
  }
}

const chosenAccount = signal<string | null>(null);

export const person = computed(() => session.value && new PersonScope(session.value.token));

/** The account that is shown: the chosen one, else the first. */
export const accountId = computed(() => {
  const accounts = person.value?.accounts.value.value ?? [];
  const ids = accounts.map(({ bot_user_id }) => bot_user_id);
  return ids.find((id) => id === chosenAccount.value) ?? ids[0] ?? null;
});

export const scope = signal<AccountScope | null>(null);

/** The account as it was read last. */
export const account = computed(() => {
  const accounts = person.value?.accounts.value.value ?? [];
  return accounts.find(({ bot_user_id }) => bot_user_id === accountId.value) ?? null;
});

export function chooseAccount(id: string): void {
  chosenAccount.value = id;
}

// Every screen needs the accounts.
effect(() => person.value?.accounts.watch());

// The log is followed on every screen, so that none misses an entry.
effect(() => {
  const owner = person.value;
  const id = accountId.value;
  if (!owner || !id) {
    scope.value = null;
    return;
  }
  const shown = untracked(() => new AccountScope(owner, id));
  scope.value = shown;
  return () => shown.log.end();
});
