// Whether the service answers, as calls and streams find out.

import { computed, signal } from "@preact/signals";
import { BotTradingError, DeadlineExceeded, ServiceUnavailable } from "bottrading-client";

import { endIfRefused } from "../session/session.js";

const isStreamBroken = signal(false);
const isCallUnanswered = signal(false);

/** True while the page cannot be up to date. It goes on by itself. */
export const isConnectionLost = computed(() => isStreamBroken.value || isCallUnanswered.value);

/** Counts how often the connection came back: what is shown is read again. */
export const reconnections = signal(0);

export function streamChanged(isOpen: boolean): void {
  const wasBroken = isStreamBroken.peek();
  isStreamBroken.value = !isOpen;
  if (wasBroken && isOpen) reconnections.value += 1;
}

/** Forget the stream of an account that is no longer shown. */
export function streamLeft(): void {
  isStreamBroken.value = false;
}

export function callSucceeded(): void {
  isCallUnanswered.value = false;
}

/** Record why a call failed; return the text that says so, null where the page as a whole does. */
export function callFailed(error: unknown): string | null {
  if (error instanceof ServiceUnavailable || error instanceof DeadlineExceeded) {
    isCallUnanswered.value = true;
    return null;
  }
  if (endIfRefused(error)) return null;
  if (error instanceof BotTradingError) return error.message;
  throw error;
}
