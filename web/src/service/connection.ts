// Whether the service answers, as calls and streams find out.

import { computed, signal } from "@preact/signals";
import { BotTradingError, DeadlineExceeded, ServiceUnavailable } from "bottrading-client";

import { endIfRefused } from "../session/session.js";

const isStreamBroken = signal(false);
const isCallUnanswered = signal(false);

/** True while the page may be out of date; the page recovers by itself. */
export const isConnectionLost = computed(() => isStreamBroken.value || isCallUnanswered.value);

/** Counts how often the connection came back; each time all shown figures are read again. */
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

/** Record why a call failed; return a text to show, or null if the page shows the cause itself. */
export function callFailed(error: unknown): string | null {
  if (error instanceof ServiceUnavailable || error instanceof DeadlineExceeded) {
    isCallUnanswered.value = true;
    return null;
  }
  if (endIfRefused(error)) return null;
  if (error instanceof BotTradingError) return error.message;
  throw error;
}
