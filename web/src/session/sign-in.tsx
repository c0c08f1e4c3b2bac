// What a reader who is not signed in sees: the reason, and how to sign in.

import { CopyButton } from "../shared/copy.js";
import { Failure } from "../shared/states.js";
import { say } from "../shared/toast.js";
import { goToProvider } from "./oidc.js";
import { settings, signedOut } from "./session.js";

const COMMAND = "bottrading open";

export function SignInScreen() {
  const why = signedOut.value;
  const provider = settings.value?.sign_in;
  return (
    <section class="sign-in">
      <h1>{why?.title ?? "Sign in"}</h1>
      {why && <Failure text={why.text} />}
      {why?.tryAgain && (
        <button class="button button-primary" type="button" onClick={why.tryAgain}>
          Try again
        </button>
      )}
      {provider && (
        <>
          <button
            class="button button-primary"
            type="button"
            onClick={() => void goToProvider(provider).catch(({ message }) => say(message, true))}
          >
            Continue with {hostOf(provider.issuer)}
          </button>
          <p class="or">or</p>
        </>
      )}
      <p>On the machine of the service, run this and open the link that it prints:</p>
      <div class="command">
        <code>{COMMAND}</code>
        <CopyButton text={COMMAND} label="Copy the command" />
      </div>
      <p class="muted">
        In a clone the command is <code>.venv/bin/bottrading open</code>. A link works once, within
        ten minutes. A second tab needs a link of its own.
      </p>
      {settings.value?.public_leaderboard && (
        <p>
          <a href="#/leaderboard">See the leaderboard</a> without signing in.
        </p>
      )}
    </section>
  );
}

function hostOf(issuer: string): string {
  return URL.canParse(issuer) ? new URL(issuer).host : issuer;
}
