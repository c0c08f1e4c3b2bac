// The equity curve with its deposits, and the drawdown below it; one pointer moves over both.

import type { Signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type uPlot from "uplot";

import { compactMoney, percent, signedMoney } from "../shared/format.js";
import { faded, Plot, type PlotOptions, timeAxis, valueAxis } from "../shared/plot.js";
import { colorOf } from "../shared/theme.js";
import type { Curve } from "./curve.js";

const EQUITY_HEIGHT = 250;
const DRAWDOWN_HEIGHT = 104;
const SYNCED = "equity";

interface EquityPlotsProps {
  curve: Curve;
  hovered: Signal<number | null>;
  label: string;
}

export function EquityPlots({ curve, hovered, label }: EquityPlotsProps) {
  const equity = useMemo<uPlot.AlignedData>(
    () => [curve.times, curve.equity, curve.deposits],
    [curve],
  );
  const drawdown = useMemo<uPlot.AlignedData>(() => [curve.times, curve.drawdown], [curve]);
  return (
    <figure class="equity-plots">
      <Plot
        options={() => equityOptions(hovered)}
        data={equity}
        height={EQUITY_HEIGHT}
        label={label}
      />
      <p class="plot-title">Drawdown</p>
      <Plot
        options={() => drawdownOptions(hovered)}
        data={drawdown}
        height={DRAWDOWN_HEIGHT}
        label={`Drawdown: now ${percent(-(curve.drawdown.at(-1) ?? 0))}`}
      />
    </figure>
  );
}

function equityOptions(hovered: Signal<number | null>): PlotOptions {
  const [accent, muted, line] = [colorOf("accent"), colorOf("muted"), colorOf("line")];
  return {
    ...common(hovered),
    scales: { y: { range: padded } },
    axes: [{ ...timeAxis(muted), show: false }, valueAxis(muted, line, compactMoney)],
    series: [
      {},
      { stroke: accent, width: 1.75, fill: (plot) => below(plot, accent), points: { show: false } },
      { show: false, scale: "deposits" },
    ],
    hooks: { ...followed(hovered), draw: [(plot) => drawDeposits(plot, colorOf("gain"))] },
  };
}

function drawdownOptions(hovered: Signal<number | null>): PlotOptions {
  const [loss, muted, line] = [colorOf("loss"), colorOf("muted"), colorOf("line")];
  return {
    ...common(hovered),
    scales: { y: { range: (_, low) => [Math.min(low, -0.01) * 1.1, 0] } },
    axes: [timeAxis(muted), { ...valueAxis(muted, line, writePercent), space: 24 }],
    series: [
      {},
      { stroke: loss, width: 1.25, fill: faded(loss, 0.14), fillTo: 0, points: { show: false } },
    ],
    hooks: followed(hovered),
  };
}

function common(_: Signal<number | null>): PlotOptions {
  return {
    padding: [8, 0, 8, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: SYNCED } },
    series: [],
  };
}

function followed(hovered: Signal<number | null>): uPlot.Hooks.Arrays {
  return { setCursor: [({ cursor }) => (hovered.value = cursor.idx ?? null)] };
}

/** Leave room above and below, most of all around a flat curve. */
function padded(_: uPlot, low: number, high: number): uPlot.Range.MinMax {
  const room = Math.max((high - low) * 0.12, Math.abs(high) * 0.0005, 0.01);
  return [low - room, high + room];
}

function below(plot: uPlot, color: string): CanvasGradient {
  const { top, height } = plot.bbox;
  const gradient = plot.ctx.createLinearGradient(0, top, 0, top + height);
  gradient.addColorStop(0, faded(color, 0.18));
  gradient.addColorStop(1, faded(color, 0));
  return gradient;
}

/** Draw a small triangle and the amount where money came in. */
function drawDeposits(plot: uPlot, color: string): void {
  const [times, , deposits] = plot.data;
  const { ctx, bbox } = plot;
  const size = 5 * devicePixelRatio;
  ctx.save();
  ctx.fillStyle = color;
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  for (const [index, amount] of (deposits ?? []).entries()) {
    if (!amount) continue;
    const x = plot.valToPos(times[index]!, "x", true);
    const y = bbox.top + bbox.height - 2 * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x - size, y);
    ctx.lineTo(x + size, y);
    ctx.lineTo(x, y - 1.6 * size);
    ctx.fill();
    ctx.textAlign = alignmentAt(x, plot);
    ctx.fillText(signedMoney(amount.toFixed(2)), x, y - 2.4 * size);
  }
  ctx.restore();
}

/** Keep a text within the curve, also near its ends. */
function alignmentAt(x: number, { bbox }: uPlot): CanvasTextAlign {
  const room = 48 * devicePixelRatio;
  if (x - bbox.left < room) return "left";
  return bbox.left + bbox.width - x < room ? "right" : "center";
}

function writePercent(value: number): string {
  return percent(value, Math.abs(value) < 1 && value !== 0 ? 2 : 0);
}
