// A curve on a canvas: uPlot, kept as wide as its place and in the colours of the page.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

import { isDark } from "./theme.js";

export type PlotOptions = Omit<uPlot.Options, "width" | "height">;

interface PlotProps {
  /** Makes the options; called again when the theme or `kind` changes, because colours are fixed. */
  options: () => PlotOptions;
  data: uPlot.AlignedData;
  height: number;
  /** What the curve shows, for those who do not see it. */
  label: string;
  /** Names the form of the data, such as the number of curves. */
  kind?: string;
}

export function Plot({ options, data, height, label, kind = "" }: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shown = useRef(data);
  shown.current = data;
  const dark = isDark();

  useEffect(() => {
    const element = place.current!;
    const size = () => ({ width: element.clientWidth, height });
    const made = new uPlot({ ...options(), ...size() }, shown.current, element);
    plot.current = made;
    const resized = new ResizeObserver(() => made.setSize(size()));
    resized.observe(element);
    return () => {
      resized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [kind, dark, height]);

  useEffect(() => plot.current?.setData(data), [data]);

  return <div ref={place} class="plot" role="img" aria-label={label} />;
}

const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** Return the look of an axis of time. */
export function timeAxis(color: string): uPlot.Axis {
  return {
    stroke: color,
    font: FONT,
    grid: { show: false },
    ticks: { show: false },
    space: 80,
    size: 40,
    values: TIME_FORMATS,
  };
}

/** Return the look of an axis of values, on the right. */
export function valueAxis(
  color: string,
  line: string,
  write: (value: number) => string,
): uPlot.Axis {
  return {
    side: 1,
    stroke: color,
    font: FONT,
    grid: { stroke: line, width: 1 },
    ticks: { show: false },
    size: 64,
    gap: 8,
    space: 44,
    values: (_, splits) => splits.map(write),
  };
}

/** Return a colour with less than full strength. */
export function faded(color: string, strength: number): string {
  return color.replace(/^rgb\((.*)\)$/, `rgba($1, ${strength})`);
}

// Each row: the least distance of two ticks in seconds, the form of a tick, and what is added at
// the first tick and where the day changes.
const TIME_FORMATS: uPlot.Axis.Values = [
  [86_400, "{D} {MMM}", null, null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
];
