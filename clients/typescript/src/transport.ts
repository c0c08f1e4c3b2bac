// Calls and streams over HTTP, typed by the contract: a call that the contract lacks does not
// compile.

import { type EventSourceMessage, EventSourceParserStream } from "eventsource-parser/stream";

import { Attempts, pause, type Repeating } from "./attempts.js";
import type { paths } from "./contract.js";
import { BotTradingError, noAnswer, refusalOf } from "./errors.js";

const BASE_URL_DEFAULT = "http://127.0.0.1:8080";
const PREFIX = "/api/trade/v1/bot";
const TIMEOUT_MS_DEFAULT = 10_000;
// Three heartbeats: a stream sends one every 15 s.
const SILENCE_MS_MAX = 45_000;

export interface ClientOptions {
  /** Where the server is; by default BOTTRADING_REST_URL or http://127.0.0.1:8080. */
  baseUrl?: string | undefined;
  /** Milliseconds for each call, all of its attempts together; left out: 10 000. */
  timeoutMs?: number | undefined;
}

export interface CallOptions {
  /** Aborts the call, which rejects with the signal's reason; a change may still happen. */
  signal?: AbortSignal | undefined;
  /** Milliseconds for this call, all of its attempts together. */
  timeoutMs?: number | undefined;
}

type Verb = "get" | "post" | "patch" | "delete";
type Path<V extends Verb> = {
  [P in keyof paths]: paths[P] extends Record<V, object> ? P : never;
}[keyof paths];
type Json<Content> = Content extends { content: { "application/json": infer Value } }
  ? Value
  : never;

/** The operation of the contract behind a verb and a path. */
export type Operation<V extends Verb, P extends keyof paths> = paths[P][V];
export type Query<O> = O extends { parameters: { query?: infer Q } } ? NonNullable<Q> : never;
export type Body<O> = O extends { requestBody?: infer B } ? Json<NonNullable<B>> : never;
export type Answer<O> = O extends { responses: infer R }
  ? { [Status in keyof R]: Status extends 200 | 201 ? Json<R[Status]> : never }[keyof R]
  : never;

interface AnyRequest extends CallOptions {
  /** Values in the path. */
  in?: Record<string, string>;
  query?: object;
  body?: unknown;
  /** By default a GET "changes nothing", all else "changes again". */
  repeating?: Repeating;
  clientOrderId?: string;
}

interface Request<O> extends AnyRequest {
  in?: O extends { parameters: { path: infer Values extends Record<string, string> } }
    ? Values
    : never;
  query?: Query<O>;
  body?: Body<O>;
}

/** Marks a change that has no further effect if it is repeated. */
export const REPEATABLE = { repeating: "changes nothing more" } as const;

/** A server and one credential for it. */
export class Transport {
  readonly timeoutMs: number;
  readonly #url: string;
  readonly #headers: Headers;

  /** Throws a TypeError for an invalid URL or a credential that no header can carry. */
  constructor(credential: Record<string, string>, options: ClientOptions) {
    const baseUrl = options.baseUrl ?? setting("BOTTRADING_REST_URL") ?? BASE_URL_DEFAULT;
    this.#url = new URL(baseUrl).href.replace(/\/+$/, "") + PREFIX;
    this.#headers = new Headers(credential);
    this.timeoutMs = options.timeoutMs ?? TIMEOUT_MS_DEFAULT;
  }

  /** Make a call, retry it where that is safe and may help, and return its answer. */
  async send<V extends Verb, P extends Path<V>>(
    verb: V,
    path: P,
    request: Request<Operation<V, P>> = {},
  ): Promise<Answer<Operation<V, P>>> {
    return (await this.exchange(verb, path, request)).answer;
  }

  /** Make a call like `send`; return its answer and the headers that came with it. */
  exchange<V extends Verb, P extends Path<V>>(
    verb: V,
    path: P,
    request: Request<Operation<V, P>> = {},
  ): Promise<{ answer: Answer<Operation<V, P>>; headers: Headers }> {
    return this.#exchange(verb, path, request);
  }

  /** List the items of a path, page by page, at most `limit`. */
  async *pages<P extends Path<"get">>(
    path: P,
    query: Query<Operation<"get", P>> & { limit?: number | undefined },
    options: CallOptions,
  ): AsyncGenerator<Answer<Operation<"get", P>> extends (infer Item)[] ? Item : never> {
    let left = query.limit ?? Infinity;
    let token: string | undefined;
    do {
      const page = { ...query, limit: Math.min(left, PAGE_ITEMS_MAX), page_token: token };
      const { answer, headers } = await this.#exchange<any[]>("get", path, {
        ...options,
        query: page,
      });
      yield* answer;
      left -= answer.length;
      token = headers.get("x-next-page-token") ?? undefined;
    } while (token && left > 0);
  }

  /** Open a stream and yield its events; fails with a BotTradingError when it breaks. */
  async *events(
    path: Path<"get">,
    query: object,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<EventSourceMessage, void, void> {
    const connection = new AbortController();
    const ended = signal ? AbortSignal.any([connection.signal, signal]) : connection.signal;
    /** Wait for data; a connection on which nothing comes counts as dead. */
    const within = async <T>(milliseconds: number, wait: Promise<T>): Promise<T> => {
      const watchdog = setTimeout(() => connection.abort(), milliseconds);
      try {
        return await wait;
      } finally {
        clearTimeout(watchdog);
      }
    };
    try {
      const init = { headers: this.#headers, redirect: "error", signal: ended } as const;
      const opening = fetch(this.#url + path + search(query), init);
      const response = await within(this.timeoutMs, opening);
      if (!response.ok) throw await refusalOf(response);
      const reader = response
        .body!.pipeThrough(new TextDecoderStream())
        .pipeThrough(new EventSourceParserStream())
        .getReader();
      for (;;) {
        const { done, value } = await within(SILENCE_MS_MAX, reader.read());
        if (done) return;
        yield value;
      }
    } catch (error) {
      signal?.throwIfAborted();
      throw error instanceof BotTradingError ? error : noAnswer(error, false);
    } finally {
      connection.abort();
    }
  }

  async #exchange<T>(verb: Verb, path: string, request: AnyRequest) {
    const { signal, timeoutMs = this.timeoutMs } = request;
    const timeout = AbortSignal.timeout(timeoutMs);
    const headers = new Headers(this.#headers);
    if (request.body !== undefined) headers.set("content-type", "application/json");
    const given: RequestInit = {
      method: verb.toUpperCase(),
      headers,
      body: JSON.stringify(request.body),
      // The key must not be sent to the target of a redirect.
      redirect: "error",
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    };
    const url = this.#url + filled(path, request.in) + search(request.query ?? {});
    const repeating = request.repeating ?? (verb === "get" ? "changes nothing" : "changes again");
    const attempts = new Attempts(repeating, request.clientOrderId, timeoutMs);
    for (;;) {
      try {
        return await attempt<T>(url, given);
      } catch (error) {
        signal?.throwIfAborted();
        const failed = error instanceof BotTradingError ? error : noAnswer(error, timeout.aborted);
        await pause(attempts.pauseAfter(failed), signal);
      }
    }
  }
}

/** Return a variable of the environment, where there is one. */
export function setting(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.[name] || undefined;
}

const PAGE_ITEMS_MAX = 100;

async function attempt<T>(url: string, init: RequestInit) {
  const response = await fetch(url, init);
  if (!response.ok) throw await refusalOf(response);
  return { answer: (await response.json()) as T, headers: response.headers };
}

/** Write values into a path: `/orders/{order_id}`. */
function filled(path: string, values: Record<string, string> | undefined): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values?.[name] ?? ""));
}

/** Write a query; lists are separated by commas, and undefined values are left out. */
function search(query: object): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
  const parameters = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return given.length > 0 ? `?${parameters}` : "";
}
