// A person's client: manages bot keys and accounts.

import type {
  Account,
  BotKey,
  GuardRails,
  MarginMode,
  NewBotKey,
  SignInResponse as Session,
  TradingState,
} from "./contract.js";
import {
  type Body,
  type CallOptions,
  type ClientOptions,
  type Operation,
  REPEATABLE,
  setting,
  Transport,
} from "./transport.js";

/** A key to create: its label, and what it may do. */
export type KeyRequest = Body<Operation<"post", "/keys">>;
/** Limits of an account; a limit that is left out is removed. */
export type GuardRailsRequest = Body<Operation<"post", "/accounts/{account_id}/guard-rails">>;

export interface KeyManagementClientOptions extends ClientOptions {
  /** The person's JSON Web Token; by default BOTTRADING_TOKEN. */
  token?: string | undefined;
}

/** Manages the bot keys and accounts of a person. */
export class KeyManagementClient {
  readonly #transport: Transport;

  constructor(options: KeyManagementClientOptions = {}) {
    const token = options.token ?? setting("BOTTRADING_TOKEN");
    if (!token) throw new TypeError("Pass a token, or set BOTTRADING_TOKEN.");
    this.#transport = new Transport({ authorization: `Bearer ${token}` }, options);
  }

  /**
   * Exchange a sign-in token, with which the client was made, for the token of a session.
   *
   * A sign-in token works once. If no answer came, it may be used up.
   */
  signIn(options?: CallOptions): Promise<Session> {
    return this.#transport.send("post", "/sign-in", { ...options, body: {} });
  }

  /** Create a bot key; only this answer holds its secret. */
  createKey(request: KeyRequest, options?: CallOptions): Promise<NewBotKey> {
    return this.#transport.send("post", "/keys", { ...options, body: request });
  }

  /** List the person's keys, revoked ones too. */
  keys(options?: CallOptions): Promise<BotKey[]> {
    return this.#transport.send("get", "/keys", options);
  }

  /** Revoke a key, for good. */
  revokeKey(keyId: string, options?: CallOptions): Promise<BotKey> {
    const request = { ...options, ...REPEATABLE, in: { key_id: keyId } };
    return this.#transport.send("delete", "/keys/{key_id}", request);
  }

  /** Open one more account with the starting balance. */
  openAccount(options?: CallOptions): Promise<Account> {
    return this.#transport.send("post", "/accounts", { ...options, body: {} });
  }

  /** List the person's accounts: the first one, then the others, oldest first. */
  accounts(options?: CallOptions): Promise<Account[]> {
    return this.#transport.send("get", "/accounts", options);
  }

  /** Reset an account: cancel all orders and start again; its keys and history stay. */
  resetAccount(accountId: string, options?: CallOptions): Promise<Account> {
    const request = { ...options, in: { account_id: accountId }, body: {} };
    return this.#transport.send("post", "/accounts/{account_id}/reset", request);
  }

  /** Set which orders an account accepts; HALTED also cancels all live orders. */
  setTradingState(
    accountId: string,
    state: TradingState,
    options?: CallOptions,
  ): Promise<Account> {
    const body = { trading_state: state };
    const request = { ...options, ...REPEATABLE, in: { account_id: accountId }, body };
    return this.#transport.send("post", "/accounts/{account_id}/trading-state", request);
  }

  /** Set whether an account may borrow money and sell short; it must have no live orders. */
  setMarginMode(accountId: string, mode: MarginMode, options?: CallOptions): Promise<Account> {
    const body = { margin_mode: mode };
    const request = { ...options, ...REPEATABLE, in: { account_id: accountId }, body };
    return this.#transport.send("post", "/accounts/{account_id}/margin-mode", request);
  }

  /** Set all guard rails of an account. */
  setGuardRails(
    accountId: string,
    rails: GuardRailsRequest,
    options?: CallOptions,
  ): Promise<GuardRails> {
    const request = { ...options, ...REPEATABLE, in: { account_id: accountId }, body: rails };
    return this.#transport.send("post", "/accounts/{account_id}/guard-rails", request);
  }

  /** Add money to any account; needs an operator's token. */
  deposit(accountId: string, amount: string, options?: CallOptions): Promise<Account> {
    const request = { ...options, in: { account_id: accountId }, body: { amount } };
    return this.#transport.send("post", "/accounts/{account_id}/deposits", request);
  }
}
