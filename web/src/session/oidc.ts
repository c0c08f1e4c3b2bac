// Signing in at an identity provider: authorization code with PKCE, exchanged by this page's server.

import type { IdentityProvider } from "./settings.js";

const STORED = "bottrading.sign-in";
const EXCHANGE = "/sign-in/code";

/** The secrets of one sign-in, kept until the provider comes back with a code. */
interface Pending {
  state: string;
  nonce: string;
  verifier: string;
}

export interface IdToken {
  token: string;
  expires_at: string;
}

/** Leave the page for the identity provider, which sends the browser back with a code. */
export async function goToProvider(provider: IdentityProvider): Promise<void> {
  if (!crypto.subtle) throw new Error("Open this page over https:// to sign in there.");
  const pending: Pending = { state: secret(), nonce: secret(), verifier: secret() };
  sessionStorage.setItem(STORED, JSON.stringify(pending));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(pending.verifier));
  const url = new URL(provider.authorization_endpoint);
  const parameters = {
    response_type: "code",
    client_id: provider.client_id,
    redirect_uri: redirectUri(),
    scope: "openid profile",
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: base64Url(new Uint8Array(digest)),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  location.assign(url);
}

/** Return the token for the code in the address; null if there is none. Throws if it fails. */
export async function comeBack(): Promise<IdToken | null> {
  const answer = new URLSearchParams(location.search);
  if (!answer.has("state")) return null;
  history.replaceState(null, "", location.pathname + location.hash);
  const pending = JSON.parse(sessionStorage.getItem(STORED) ?? "null") as Pending | null;
  sessionStorage.removeItem(STORED);
  if (!pending || pending.state !== answer.get("state")) {
    throw new Error("This sign-in was not started in this tab. Start it again.");
  }
  const code = answer.get("code");
  if (!code) throw new Error(answer.get("error_description") ?? "The identity provider refused.");
  const token = await exchanged(code, pending);
  if (claims(token.token)["nonce"] !== pending.nonce) {
    throw new Error("The identity provider answered another sign-in. Start it again.");
  }
  return token;
}

async function exchanged(code: string, { verifier }: Pending): Promise<IdToken> {
  const response = await fetch(EXCHANGE, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ code, code_verifier: verifier, redirect_uri: redirectUri() }),
  });
  const body = (await response.json().catch(() => ({}))) as IdToken & { message?: string };
  if (!response.ok) throw new Error(body.message ?? "The service could not sign you in.");
  return body;
}

function redirectUri(): string {
  return `${location.origin}/`;
}

function secret(): string {
  return base64Url(crypto.getRandomValues(new Uint8Array(32)));
}

function base64Url(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Read the claims of a token; the service checks its signature. */
function claims(token: string): Record<string, unknown> {
  const payload = token.split(".")[1] ?? "";
  try {
    return JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/"))) as Record<
      string,
      unknown
    >;
  } catch {
    return {};
  }
}
