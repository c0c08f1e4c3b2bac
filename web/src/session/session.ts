// Who is signed in: a token in this tab's memory and sessionStorage, never in a cookie.

import { computed, signal } from "@preact/signals";
import {
  AuthenticationFailed,
  DeadlineExceeded,
  KeyManagementClient,
  ServiceUnavailable,
} from "bottrading-client";

import { comeBack } from "./oidc.js";
import { type PageSettings, readSettings } from "./settings.js";

export interface Session {
  token: string;
  /** Milliseconds since 1970. */
  expiresAt: number;
}

/** Why the reader is not signed in, and what to do. */
export interface SignedOut {
  title: string;
  text: string;
  /** Repeats the sign-in; left out if it cannot succeed later. */
  tryAgain?: () => void;
}

const STORED = "bottrading.session";
const TIMER_MS_MAX = 2 ** 31 - 1;

export const session = signal<Session | null>(null);
export const signedOut = signal<SignedOut | null>(null);
export const settings = signal<PageSettings | null>(null);
/** False until it is known whether the reader is signed in. */
export const isStarted = signal(false);
export const isSignedIn = computed(() => session.value !== null);

let ending: ReturnType<typeof setTimeout> | undefined;

/** Sign in with the token, or with what this tab stored; then read the page's settings. */
export async function startSession(signInToken: string | null): Promise<void> {
  const settingsRead = readSettings().then((read) => (settings.value = read));
  try {
    if (signInToken !== null) await signInWith(signInToken);
    else if (!(await signInByProvider())) restore();
  } catch (error) {
    signedOut.value = refused(error, () => void startSession(signInToken));
    restore();
  } finally {
    isStarted.value = true;
  }
  await settingsRead;
}

/** End the session because the service no longer takes its token. */
export function expire(): void {
  end({
    title: "Your session has ended",
    text: "Sessions last at most 24 hours. Sign in again: nothing is lost.",
  });
}

export function signOut(): void {
  end(null);
}

/** End the session if the service refused its token; tell whether it did. */
export function endIfRefused(error: unknown): boolean {
  const isRefused = error instanceof AuthenticationFailed;
  if (isRefused) expire();
  return isRefused;
}

async function signInWith(signInToken: string): Promise<void> {
  const client = new KeyManagementClient({ token: signInToken, baseUrl: location.origin });
  const { session_token: token, expires_at } = await client.signIn();
  begin({ token, expiresAt: Date.parse(expires_at) });
}

async function signInByProvider(): Promise<boolean> {
  const answer = await comeBack();
  if (answer) begin({ token: answer.token, expiresAt: Date.parse(answer.expires_at) });
  return answer !== null;
}

function restore(): void {
  const stored = JSON.parse(sessionStorage.getItem(STORED) ?? "null") as Session | null;
  if (!stored) return;
  if (stored.expiresAt > Date.now()) begin(stored);
  else expire();
}

function begin(begun: Session): void {
  sessionStorage.setItem(STORED, JSON.stringify(begun));
  session.value = begun;
  signedOut.value = null;
  clearTimeout(ending);
  ending = setTimeout(expire, Math.min(begun.expiresAt - Date.now(), TIMER_MS_MAX));
}

function end(why: SignedOut | null): void {
  clearTimeout(ending);
  sessionStorage.removeItem(STORED);
  session.value = null;
  signedOut.value = why;
}

function refused(error: unknown, tryAgain: () => void): SignedOut {
  const text = error instanceof Error ? error.message : String(error);
  if (error instanceof AuthenticationFailed) return { title: "This link no longer works", text };
  const isAway = error instanceof ServiceUnavailable || error instanceof DeadlineExceeded;
  return { title: "Sign-in failed", text, ...(isAway ? { tryAgain } : {}) };
}
