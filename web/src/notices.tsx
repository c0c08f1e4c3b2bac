// What concerns every screen: a lost connection, a halted account, a replayed market.

import { account, scope } from "./service/account-scope.js";
import type { AccountScope } from "./service/account-scope.js";
import { isConnectionLost } from "./service/connection.js";
import { useFigures } from "./service/figure.js";
import { isSignedIn } from "./session/session.js";
import { addressOf } from "./routing.js";
import { Time } from "./shared/time.js";
import { count, percent } from "./shared/format.js";

export function Notices() {
  return (
    <>
      <div role="status" class="notices">
        {isConnectionLost.value && (
          <p class="notice notice-lost">
            <strong>The service does not answer.</strong> What you see may be out of date. This page
            tries again and goes on by itself.
          </p>
        )}
        {isSignedIn.value && account.value?.trading_state === "HALTED" && (
          <p class="notice notice-halted">
            <strong>Trading is halted.</strong> Every new order is rejected.{" "}
            <a href={addressOf("developer")}>Change the trading state</a>
          </p>
        )}
      </div>
      {isSignedIn.value && account.value?.environment === "REPLAY" && scope.value && (
        <ReplayNotice scope={scope.value} />
      )}
    </>
  );
}

function ReplayNotice({ scope }: { scope: AccountScope }) {
  useFigures(scope.clock);
  const clock = scope.clock.value.value;
  if (!clock) return null;
  const { time, replay } = clock;
  if (!replay) {
    return (
      <p class="replay">
        Replay <Time at={time} withSeconds />
      </p>
    );
  }
  const [now, start, end] = [time, replay.starts_at, replay.ends_at].map(Date.parse) as [
    number,
    number,
    number,
  ];
  const share = end > start ? Math.min(1, Math.max(0, (now - start) / (end - start))) : 1;
  return (
    <section class="replay" aria-label="Replay">
      <span>Replay</span>
      <Time at={time} withSeconds />
      <progress max={1} value={share} aria-label="How far the replay is" />
      <span>{percent(share * 100, 1)}</span>
      <span class="muted">
        {share >= 1 ? (
          "ended"
        ) : (
          <>
            {count(replay.speed)}× speed, until <Time at={replay.ends_at} />
          </>
        )}
      </span>
    </section>
  );
}
