// Figures of an equity curve: its drawdown and its return, neither changed by deposits.

import type { EquityPoint } from "bottrading-client";

export interface Curve {
  /** Seconds since 1970. */
  times: number[];
  equity: number[];
  /** Fall from the highest point so far, in percent, zero or negative. */
  drawdown: number[];
  /** Money that came in since the point before, at each point; 0 at the first. */
  deposits: number[];
  /** Gain since the first point in US dollars, without deposits. */
  gain: number;
  /** Time-weighted return since the first point, in percent. */
  returnPct: number;
}

export function curveOf(points: readonly EquityPoint[]): Curve {
  const times = points.map(({ time }) => Date.parse(time) / 1_000);
  const equity = points.map((point) => Number(point.equity));
  const deposits = points.map((point, index) => (index === 0 ? 0 : Number(point.deposits)));
  const drawdown: number[] = [];
  let growth = 1;
  let peak = 1;
  equity.forEach((value, index) => {
    const before = equity[index - 1];
    if (before) growth *= (value - deposits[index]!) / before;
    peak = Math.max(peak, growth);
    drawdown.push((growth / peak - 1) * 100);
  });
  const deposited = deposits.reduce((sum, amount) => sum + amount, 0);
  const gain = (equity.at(-1) ?? 0) - (equity[0] ?? 0) - deposited;
  return { times, equity, drawdown, deposits, gain, returnPct: (growth - 1) * 100 };
}

/** Return the points of a curve, the last of them with the equity of now. */
export function upToNow(points: readonly EquityPoint[], equity: string | undefined) {
  const last = points.at(-1);
  return last && equity !== undefined ? [...points.slice(0, -1), { ...last, equity }] : points;
}
