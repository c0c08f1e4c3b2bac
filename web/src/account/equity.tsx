// What the account is worth, now and over a period: figure, curve, drawdown and deposits.

import { type Signal, useComputed, useSignal } from "@preact/signals";
import type { EquityPoint, HistoryPeriod } from "bottrading-client";
import { useMemo } from "preact/hooks";

import type { AccountScope } from "../service/account-scope.js";
import { account } from "../service/account-scope.js";
import { Figure, useFigures } from "../service/figure.js";
import { Change } from "../shared/change.js";
import { money, percent, signedMoney, signedPercent } from "../shared/format.js";
import { Segments } from "../shared/segments.js";
import { Loading } from "../shared/states.js";
import { localTime } from "../shared/time.js";
import { type Curve, curveOf, upToNow } from "./curve.js";
import { EquityPlots } from "./equity-plots.js";

const PERIODS: readonly { value: HistoryPeriod; title: string; said: string }[] = [
  { value: "DAY", title: "Day", said: "over a day" },
  { value: "WEEK", title: "Week", said: "over a week" },
  { value: "MONTH", title: "Month", said: "over a month" },
  { value: "YEAR", title: "Year", said: "over a year" },
  { value: "ALL", title: "All", said: "since the start" },
];
const PERIOD_DAYS = { DAY: 1, WEEK: 7, MONTH: 30, YEAR: 365, ALL: Infinity };
const DAY_MS = 86_400_000;
// The longest spans with few enough points at this distance: the service refuses more than 5 000.
const SNAPSHOT_DAYS_MAX = 2;
const HOUR_DAYS_MAX = 90;

export function Equity({ scope }: { scope: AccountScope }) {
  const period = useSignal<HistoryPeriod>("DAY");
  const hovered = useSignal<number | null>(null);
  const history = useHistory(scope, period.value);
  useFigures(scope.portfolio, scope.kpi, history);
  const equity = useComputed(() => scope.portfolio.value.value?.total_equity);
  const points = history.value.value;
  const now = equity.value;
  const curve = useMemo(() => points && curveOf(upToNow(points, now)), [points, now]);
  // A point of the history cannot say when within its interval a deposit came in; the server knows.
  const exact = period.value === "ALL" ? scope.kpi.value.value?.total_return_pct : undefined;
  const said = PERIODS.find(({ value }) => value === period.value)!.said;

  return (
    <section aria-labelledby="equity-title">
      <div class="hero">
        <div>
          <h1 id="equity-title" class="hero-title">
            Total equity
          </h1>
          <Readout
            curve={curve}
            now={now}
            hovered={hovered}
            said={said}
            returnPct={exact ?? curve?.returnPct ?? 0}
          />
        </div>
        <Segments
          label="Period"
          options={PERIODS}
          value={period.value}
          onChange={(value) => (period.value = value)}
        />
      </div>
      {curve ? (
        <EquityPlots curve={curve} hovered={hovered} label={labelOf(curve, said)} />
      ) : (
        <Loading class="equity-plots" what="the equity curve" error={history.error} />
      )}
    </section>
  );
}

interface ReadoutProps {
  curve: Curve | null;
  now: string | undefined;
  hovered: Signal<number | null>;
  said: string;
  returnPct: number;
}

/** The equity now, or where the pointer is. */
function Readout({ curve, now, hovered, said, returnPct }: ReadoutProps) {
  const index = hovered.value;
  if (curve && index !== null && index < curve.times.length) {
    const deposit = curve.deposits[index]!;
    return (
      <>
        <p class="hero-figure">{money(curve.equity[index]!)}</p>
        <p class="muted">
          {localTime(new Date(curve.times[index]! * 1_000), true)} · drawdown{" "}
          {percent(-curve.drawdown[index]!)}
          {deposit !== 0 && ` · deposit ${signedMoney(deposit)}`}
        </p>
      </>
    );
  }
  return (
    <>
      <p class="hero-figure">{now === undefined ? "\u00a0" : money(now)}</p>
      <p>
        {curve ? (
          <>
            <Change of={curve.gain} withArrow>
              {signedMoney(curve.gain.toFixed(2))} ({signedPercent(returnPct)})
            </Change>{" "}
            <span class="muted">{said}</span>
          </>
        ) : (
          "\u00a0"
        )}
      </p>
    </>
  );
}

/** Return the equity curve of a period; the younger the account, the closer the points. */
function useHistory(scope: AccountScope, period: HistoryPeriod): Figure<EquityPoint[]> {
  const epoch = account.value?.epoch_began_at;
  return useMemo(() => {
    const read = () => {
      const now = Date.parse(scope.clock.value.peek()?.time ?? new Date().toISOString());
      const age = epoch ? (now - Date.parse(epoch)) / DAY_MS : Infinity;
      const days = Math.min(PERIOD_DAYS[period], age);
      const interval =
        days <= SNAPSHOT_DAYS_MAX ? "SNAPSHOT" : days <= HOUR_DAYS_MAX ? "HOUR" : "DAY";
      return scope.client.portfolioHistory({ period, interval });
    };
    return new Figure(read, { everyMs: 10_000, atMostEveryMs: 5_000 });
  }, [scope, period, epoch]);
}

function labelOf(curve: Curve, said: string): string {
  const [first, last] = [curve.equity[0] ?? 0, curve.equity.at(-1) ?? 0];
  const deepest = -Math.min(0, ...curve.drawdown);
  return `Equity ${said}: from ${money(first)} to ${money(last)}, deepest drawdown ${percent(deepest)}`;
}
