// Candles with fills on them; in a file of its own, because the library is loaded only when needed.

import {
  CandlestickSeries,
  createChart,
  createSeriesMarkers,
  type SeriesMarker,
  type UTCTimestamp,
} from "lightweight-charts";
import type { Bar, Fill, Instrument } from "bottrading-client";

import { quantity, roundedPrice } from "../shared/format.js";
import { colorOf } from "../shared/theme.js";

export interface Candles {
  show(bars: readonly Bar[], fills: readonly Fill[], intervalSeconds: number): void;
  remove(): void;
}

export function createCandles(element: HTMLElement, instrument: Instrument | undefined): Candles {
  const [gain, loss, muted, line] = ["gain", "loss", "muted", "line"].map((name) =>
    colorOf(name),
  ) as Colors;
  const chart = createChart(element, {
    autoSize: true,
    // The page shows the notice and the link itself: the library's logo would add a style element.
    layout: {
      attributionLogo: false,
      background: { color: "transparent" },
      textColor: muted,
      fontSize: 11,
      fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
    },
    localization: { priceFormatter: roundedPrice },
    grid: { vertLines: { visible: false }, horzLines: { color: line } },
    rightPriceScale: { borderVisible: false },
    timeScale: { borderVisible: false, timeVisible: true, rightOffset: 4, maxBarSpacing: 20 },
    handleScroll: { vertTouchDrag: false, mouseWheel: false },
    handleScale: { mouseWheel: false },
  });
  const series = chart.addSeries(CandlestickSeries, {
    upColor: "transparent",
    lastValueVisible: false,
    priceLineColor: muted,
    downColor: loss,
    borderUpColor: gain,
    borderDownColor: loss,
    wickUpColor: gain,
    wickDownColor: loss,
    priceFormat: priceFormat(instrument),
  });
  const markers = createSeriesMarkers(series, []);
  let isFitted = false;
  return {
    show(bars, fills, intervalSeconds) {
      series.setData(
        bars.map(({ start, open, high, low, close }) => ({
          time: localSeconds(start),
          open: Number(open),
          high: Number(high),
          low: Number(low),
          close: Number(close),
        })),
      );
      markers.setMarkers(markersOf(bars, fills, intervalSeconds, gain, loss));
      if (!isFitted && bars.length > 0) {
        chart.timeScale().fitContent();
        isFitted = true;
      }
    },
    remove: () => chart.remove(),
  };
}

type Colors = [gain: string, loss: string, muted: string, line: string];

function priceFormat(instrument: Instrument | undefined) {
  const minMove = Number(instrument?.price_tick ?? 0.01);
  const precision = Math.max(2, Math.round(-Math.log10(minMove)));
  return { type: "price" as const, minMove, precision };
}

/** One marker for each side of each bar that has fills. */
function markersOf(
  bars: readonly Bar[],
  fills: readonly Fill[],
  intervalSeconds: number,
  gain: string,
  loss: string,
): SeriesMarker<UTCTimestamp>[] {
  const starts = new Set(bars.map(({ start }) => Date.parse(start) / 1_000));
  const sums = new Map<string, { start: number; side: Fill["side"]; sum: number }>();
  for (const { created_at, side, quantity: filled } of fills) {
    const seconds = Date.parse(created_at) / 1_000;
    const start = seconds - (seconds % intervalSeconds);
    if (!starts.has(start)) continue;
    const name = `${start} ${side}`;
    const sum = sums.get(name) ?? { start, side, sum: 0 };
    sum.sum += Number(filled);
    sums.set(name, sum);
  }
  return [...sums.values()]
    .sort((a, b) => a.start - b.start)
    .map(({ start, side, sum }) => ({
      time: localSeconds(new Date(start * 1_000).toISOString()),
      position: side === "BUY" ? "belowBar" : "aboveBar",
      shape: side === "BUY" ? "arrowUp" : "arrowDown",
      color: side === "BUY" ? gain : loss,
      text: `${side === "BUY" ? "B" : "S"} ${quantity(Number(sum.toFixed(8)))}`,
    }));
}

/** Return a moment shifted so that the chart, which knows only UTC, shows local time. */
function localSeconds(at: string): UTCTimestamp {
  const moment = new Date(at);
  return (moment.getTime() / 1_000 - moment.getTimezoneOffset() * 60) as UTCTimestamp;
}
