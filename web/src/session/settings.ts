// What the service says about its page before anybody has signed in.

export interface IdentityProvider {
  issuer: string;
  client_id: string;
  authorization_endpoint: string;
}

export interface PageSettings {
  public_leaderboard: boolean;
  sign_in: IdentityProvider | null;
}

const NOTHING_KNOWN: PageSettings = { public_leaderboard: false, sign_in: null };

/** Read the settings; waits until the service answers. */
export async function readSettings(): Promise<PageSettings> {
  for (;;) {
    const response = await fetch("/page.json").catch(() => null);
    if (response?.ok) return { ...NOTHING_KNOWN, ...((await response.json()) as object) };
    if (response && response.status < 500) return NOTHING_KNOWN;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
}
