// The price of a symbol as candles, with the account's fills on it.

import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { BarInterval, Fill, Instrument } from "bottrading-client";
import { useEffect, useMemo, useRef } from "preact/hooks";

import type { AccountScope } from "../service/account-scope.js";
import { Figure, useFigures } from "../service/figure.js";
import { Section } from "../shared/section.js";
import { Segments } from "../shared/segments.js";
import { Empty, Failure } from "../shared/states.js";
import { isDark } from "../shared/theme.js";
import { roundedPrice } from "../shared/format.js";
import type { Candles } from "./candles.js";
import { merged } from "./fills.js";
import { OlderFills } from "./older-fills.js";
import { SymbolChoice } from "./symbol-choice.js";

const INTERVALS: readonly { value: BarInterval; title: string; seconds: number }[] = [
  { value: "1M", title: "1 min", seconds: 60 },
  { value: "5M", title: "5 min", seconds: 300 },
  { value: "15M", title: "15 min", seconds: 900 },
  { value: "1H", title: "1 h", seconds: 3_600 },
  { value: "1D", title: "1 day", seconds: 86_400 },
];
const FILLS_MAX = 300;

export function PriceChart({ scope }: { scope: AccountScope }) {
  const chosen = useSignal<string | null>(null);
  const interval = useSignal<BarInterval>("1M");
  const instruments = useMemo(() => new Figure(() => scope.client.instruments()), [scope]);
  useFigures(instruments, scope.portfolio);
  const held = useComputed(() => scope.portfolio.value.value?.positions.map((one) => one.symbol));
  const all = instruments.value.value ?? [];
  const symbol = useComputed(
    () => chosen.value ?? held.value?.[0] ?? scope.log.fills.value[0]?.symbol ?? all[0]?.symbol,
  ).value;
  return (
    <Section
      title="Price"
      actions={
        <div class="choices">
          <SymbolChoice
            instruments={all}
            held={held.value ?? []}
            value={symbol}
            onChange={(value) => (chosen.value = value)}
          />
          <Segments
            label="Length of a candle"
            options={INTERVALS}
            value={interval.value}
            onChange={(value) => (interval.value = value)}
          />
        </div>
      }
    >
      {symbol && (
        <Chart
          key={`${symbol} ${interval.value}`}
          scope={scope}
          instrument={all.find((one) => one.symbol === symbol)}
          symbol={symbol}
          interval={interval.value}
        />
      )}
    </Section>
  );
}

interface ChartProps {
  scope: AccountScope;
  instrument: Instrument | undefined;
  symbol: string;
  interval: BarInterval;
}

function Chart({ scope, instrument, symbol, interval }: ChartProps) {
  const bars = useMemo(() => {
    const read = () => scope.client.bars(symbol, { interval });
    return new Figure(read, { everyMs: 4_000, atMostEveryMs: 2_000 });
  }, [scope, symbol, interval]);
  useFigures(bars);
  const fills = useFillsOf(scope, symbol);
  const candles = useSignal<Candles | null>(null);
  const place = useRef<HTMLDivElement>(null);
  const dark = isDark();

  useEffect(() => {
    let isLeft = false;
    void import("./candles.js").then(({ createCandles }) => {
      const element = place.current;
      if (!isLeft && element) candles.value = createCandles(element, instrument);
    });
    return () => {
      isLeft = true;
      candles.value?.remove();
      candles.value = null;
    };
  }, [dark, instrument]);

  const { seconds } = INTERVALS.find(({ value }) => value === interval)!;
  useSignalEffect(() => {
    candles.value?.show(bars.value.value ?? [], fills.value, seconds);
  });

  const read = bars.value.value;
  const last = read?.at(-1);
  return (
    <>
      <p class="last-price">{last ? roundedPrice(last.close) : "\u00a0"}</p>
      <div
        ref={place}
        class="candles"
        role="img"
        aria-label={`Candles of ${symbol}${last ? `, last price ${roundedPrice(last.close)}` : ""}`}
      />
      {bars.error.value && <Failure text={bars.error.value} />}
      {read?.length === 0 && <Empty title={`No prices of ${symbol} yet`} />}
      <p class="muted small">
        ▲ B bought, ▼ S sold. Charts by{" "}
        <a href="https://www.tradingview.com/" rel="noreferrer" target="_blank">
          TradingView
        </a>{" "}
        Lightweight Charts™, Copyright © 2025 TradingView, Inc.
      </p>
    </>
  );
}

/** Return the account's fills of a symbol: some older ones, and all since the page was opened. */
function useFillsOf(scope: AccountScope, symbol: string) {
  const older = useMemo(() => new OlderFills(scope.client, symbol), [scope, symbol]);
  useEffect(() => void older.read(FILLS_MAX), [older]);
  return useComputed<Fill[]>(() => {
    const newer = scope.log.fills.value.filter((fill) => fill.symbol === symbol);
    return merged(newer, older.fills.value ?? []);
  });
}
