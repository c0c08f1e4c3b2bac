// A return over time, as small as a word.

import type { ReturnPoint } from "bottrading-client";

const WIDTH = 112;
const HEIGHT = 28;

export function Sparkline({ points }: { points: readonly ReturnPoint[] }) {
  if (points.length < 2) return null;
  const values = points.map(({ return_pct }) => return_pct);
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values, low + 0.01);
  const y = (value: number) =>
    (HEIGHT - 2 - ((value - low) / (high - low)) * (HEIGHT - 4)).toFixed(1);
  const x = (index: number) => ((index / (values.length - 1)) * WIDTH).toFixed(1);
  const line = values.map((value, index) => `${x(index)},${y(value)}`).join(" ");
  const last = values.at(-1)!;
  return (
    <svg
      class={`spark ${last > 0 ? "gain" : last < 0 ? "loss" : "muted"}`}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      aria-hidden="true"
    >
      <line class="spark-zero" x1="0" x2={WIDTH} y1={y(0)} y2={y(0)} />
      <polyline points={line} />
    </svg>
  );
}
