// The plan, and how much of each of its limits is used.

import type { Quota, RateLimit } from "bottrading-client";

import { account, type AccountScope } from "../service/account-scope.js";
import { count } from "../shared/format.js";
import { Section } from "../shared/section.js";
import { Loading } from "../shared/states.js";
import { Time } from "../shared/time.js";

export function Limits({ scope }: { scope: AccountScope }) {
  const limits = scope.limits.value.value;
  const plan = account.value?.plan;
  return (
    <Section title="Plan and use" actions={plan && <span class="tag tag-accent">{plan}</span>}>
      {!limits ? (
        <Loading what="limits" error={scope.limits.error} />
      ) : (
        <dl class="uses">
          <Rate title="Orders of bots, per minute" rate={limits.orders} />
          <Rate title="Calls of bots, per minute" rate={limits.requests} />
          <Use title="Calls today" quota={limits.api_calls} />
          <Use title="Live orders" quota={limits.open_orders} />
          <Use title="Open streams" quota={limits.streams} />
          <Use title="Bot keys" quota={limits.bot_keys} />
          <Use title="Accounts" quota={limits.accounts} />
        </dl>
      )}
    </Section>
  );
}

function Rate({ title, rate }: { title: string; rate: RateLimit | null }) {
  if (!rate) return <Gauge title={title} text="No limit" />;
  const used = rate.limit - rate.remaining;
  return (
    <Gauge
      title={title}
      text={`${count(used)} of ${count(rate.limit)}`}
      share={used / rate.limit}
    />
  );
}

function Use({ title, quota }: { title: string; quota: Quota }) {
  const { used, limit, enforced, resets_at } = quota;
  return (
    <Gauge
      title={title}
      text={`${count(used)} of ${count(limit)}`}
      share={limit > 0 ? used / limit : 1}
      remark={
        resets_at && (
          <>
            {enforced ? "enforced" : "only counted"}, starts again <Time at={resets_at} />
          </>
        )
      }
    />
  );
}

interface GaugeProps {
  title: string;
  text: string;
  share?: number;
  remark?: preact.ComponentChildren;
}

function Gauge({ title, text, share, remark }: GaugeProps) {
  return (
    <div class="use">
      <dt>{title}</dt>
      <dd>
        {text}
        {share !== undefined && <progress max={1} value={Math.min(1, share)} aria-label={title} />}
        {remark && <span class="sub">{remark}</span>}
      </dd>
    </div>
  );
}
