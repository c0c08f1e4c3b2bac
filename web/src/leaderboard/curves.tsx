// The returns of the chosen accounts on one chart, told apart by colour and by dashes.

import type { LeaderboardEntry } from "bottrading-client";
import { useMemo } from "preact/hooks";
import uPlot from "uplot";

import { percent, signedPercent } from "../shared/format.js";
import { Plot, type PlotOptions, timeAxis, valueAxis } from "../shared/plot.js";
import { colorOf } from "../shared/theme.js";
import { DASHES, nameOf } from "./ranking.js";

const HEIGHT = 260;

export function Curves({ entries }: { entries: readonly LeaderboardEntry[] }) {
  const data = useMemo(() => dataOf(entries), [entries.map(keyOf).join()]);
  if (entries.length === 0 || data[0].length < 2) return null;
  return (
    <figure class="curves">
      <Plot
        options={() => optionsOf(entries)}
        data={data}
        height={HEIGHT}
        kind={entries.map(nameOf).join("\n")}
        label={`Returns: ${entries.map((entry) => `${entry.display_name} ${signedPercent(entry.return_pct)}`).join(", ")}`}
      />
      <ul class="key-list">
        {entries.map((entry, index) => (
          <li key={nameOf(entry)}>
            <svg class={`curve-${index}`} viewBox="0 0 24 8" aria-hidden="true">
              <line
                class="curve-mark"
                x1="0"
                x2="24"
                y1="4"
                y2="4"
                stroke-dasharray={DASHES[index]!.join(" ")}
              />
            </svg>
            {entry.display_name}
            <span class="muted">{signedPercent(entry.return_pct)}</span>
          </li>
        ))}
      </ul>
    </figure>
  );
}

function keyOf(entry: LeaderboardEntry): string {
  return `${nameOf(entry)} ${entry.return_curve.at(-1)?.time} ${entry.return_pct}`;
}

/** Put the curves on one axis of time; an account that began later has no value before. */
function dataOf(entries: readonly LeaderboardEntry[]): uPlot.AlignedData {
  const curves = entries.map(({ return_curve }): uPlot.AlignedData => [
    return_curve.map(({ time }) => Date.parse(time) / 1_000),
    return_curve.map(({ return_pct }) => return_pct),
  ]);
  return curves.length > 0 ? uPlot.join(curves) : [[]];
}

function optionsOf(entries: readonly LeaderboardEntry[]): PlotOptions {
  const [muted, line] = [colorOf("muted"), colorOf("line")];
  return {
    padding: [8, 0, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    axes: [timeAxis(muted), valueAxis(muted, line, (value) => percent(value, value % 1 ? 2 : 0))],
    series: [
      {},
      ...entries.map((_, index) => ({
        stroke: curveColor(index),
        width: 1.75,
        dash: [...DASHES[index]!],
        spanGaps: true,
        points: { show: false },
      })),
    ],
  };
}

function curveColor(index: number): string {
  const probe = document.createElement("span");
  probe.className = `curve-${index}`;
  document.body.append(probe);
  const color = colorOf("curve", probe);
  probe.remove();
  return color;
}
