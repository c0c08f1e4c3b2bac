// Errors: one class for each way in which a caller has to react.
//
// An order that the trading rules reject is no error but an order with status REJECTED.

import type { ErrorReason, Refusal } from "./contract.js";

/** What is wrong with one field of a request. */
export type Violation = Refusal["error"]["violations"][number];

/** What is known of a failed call beyond its message. */
export interface Facts {
  /** Why, as the contract names it; undefined if the service did not answer. */
  reason?: ErrorReason | undefined;
  /** The HTTP status; undefined if nothing answered. */
  status?: number | undefined;
  violations?: Violation[] | undefined;
  requestId?: string | undefined;
  retryAfterSeconds?: number | undefined;
  isNotExecuted?: boolean | undefined;
  cause?: unknown;
}

/** A call failed; the message says what to change. */
export class BotTradingError extends Error {
  /** Why, as the contract names it; undefined if the service did not answer. */
  readonly reason: ErrorReason | undefined;
  /** The HTTP status; undefined if nothing answered. */
  readonly status: number | undefined;
  /** Which fields are wrong; empty if no field is. */
  readonly violations: readonly Violation[];
  /** What to quote to the operator; undefined if the service did not answer. */
  readonly requestId: string | undefined;
  /** Seconds after which to try again; undefined if the service gave none. */
  readonly retryAfterSeconds: number | undefined;
  /** Whether the call certainly changed nothing, although the server is unavailable. */
  readonly isNotExecuted: boolean;

  constructor(message: string, facts: Facts = {}) {
    super(message, { cause: facts.cause });
    this.name = new.target.name;
    this.reason = facts.reason;
    this.status = facts.status;
    this.violations = facts.violations ?? [];
    this.requestId = facts.requestId;
    this.retryAfterSeconds = facts.retryAfterSeconds;
    this.isNotExecuted = facts.isNotExecuted ?? false;
  }
}

/** The key or token is missing, unknown, revoked or expired. */
export class AuthenticationFailed extends BotTradingError {}

/** The key or token is valid, but may not do this. */
export class PermissionDenied extends BotTradingError {}

/** The request is invalid; `violations` say where. */
export class InvalidRequest extends BotTradingError {}

/** The object does not exist or belongs to another account. */
export class NotFound extends BotTradingError {}

/** The request does not fit the current state. */
export class Conflict extends BotTradingError {}

/** Too many calls, orders or streams; `retryAfterSeconds` says when to try again. */
export class RateLimited extends BotTradingError {}

/** The daily quota of calls is used up. */
export class QuotaExceeded extends BotTradingError {}

/** The server does not offer this call. */
export class NotOffered extends BotTradingError {}

/** The server is down or shutting down; a later call may succeed. */
export class ServiceUnavailable extends BotTradingError {}

/** No answer came in time. */
export class DeadlineExceeded extends BotTradingError {}

/** A bug of the server; `requestId` is for its operator. */
export class InternalError extends BotTradingError {}

/**
 * A change was sent and no answer came: it may have happened or not.
 *
 * Look up an order by its `clientOrderId`, or place it again under that id. For other changes
 * `clientOrderId` is undefined. `cause` is the error of the last attempt.
 */
export class OutcomeUnknown extends BotTradingError {
  readonly clientOrderId: string | undefined;

  constructor(refusal: BotTradingError, clientOrderId: string | undefined) {
    const message = `It is not known whether the change was made: ${refusal.message}`;
    const { reason, status, requestId, retryAfterSeconds } = refusal;
    super(message, { reason, status, requestId, retryAfterSeconds, cause: refusal });
    this.clientOrderId = clientOrderId;
  }
}

/** Return the error for an answer that is not a success. */
export async function refusalOf(response: Response): Promise<BotTradingError> {
  // A proxy between here and the service may have answered, in another form.
  const body = (await response.json().catch(() => null)) as Partial<Refusal> | null;
  const retryAfter = Number(response.headers.get("retry-after") ?? NaN);
  const facts: Facts = {
    reason: body?.error?.reason,
    status: response.status,
    violations: body?.error?.violations,
    requestId: response.headers.get("x-request-id") ?? undefined,
    retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : undefined,
    isNotExecuted: body?.error?.executed === false,
  };
  const Kind = kindOf(facts, body?.type);
  return new Kind(body?.message ?? `HTTP ${response.status} ${response.statusText}`.trim(), facts);
}

/** Return the error for a call without an answer; `isLate` if its time was up. */
export function noAnswer(cause: unknown, isLate: boolean): BotTradingError {
  if (isLate) {
    return new DeadlineExceeded("No answer came in time.", { reason: "DEADLINE_EXCEEDED", cause });
  }
  const { code = "" } = (cause as { cause?: { code?: string } } | undefined)?.cause ?? {};
  const facts: Facts = { reason: "UNAVAILABLE", isNotExecuted: NOT_CONNECTED.includes(code), cause };
  return new ServiceUnavailable("The server cannot be reached.", facts);
}

// Causes of a failed fetch in Node; browsers give none.
const NOT_CONNECTED = ["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN"];

function kindOf({ status, reason, violations }: Facts, type: Refusal["type"] | undefined) {
  switch (status) {
    case 401:
      return AuthenticationFailed;
    case 403:
      return PermissionDenied;
    case 404:
      return NotFound;
    case 409:
    case 410:
      return Conflict;
    case 422:
      // A reason that is not about the form or the fields of the request is about the state.
      return violations?.length || reason === "MALFORMED_REQUEST" ? InvalidRequest : Conflict;
    case 429:
      return type === "quota_exceeded" ? QuotaExceeded : RateLimited;
    case 500:
      return InternalError;
    case 501:
      return NotOffered;
    case 502:
    case 503:
      return ServiceUnavailable;
    case 504:
      return DeadlineExceeded;
    default:
      return status && status < 500 ? InvalidRequest : BotTradingError;
  }
}
