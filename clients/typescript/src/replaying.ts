// A lock-step replay in a loop over bars.

import { pause } from "./attempts.js";
import type { AdvanceClockResponse, Bar, BarInterval } from "./contract.js";
import type { BotTradingClient } from "./client.js";
import { BotTradingError, OutcomeUnknown } from "./errors.js";
import { Reopening } from "./following.js";

/** The length of a bar, such as "1d" or "1D". */
export type Interval = BarInterval | Lowercase<BarInterval>;

/** The bars of some symbols over the interval from `start` on. */
export interface ReplayStep {
  start: string;
  /** By symbol; a symbol without a quote in the interval has no entry. */
  bars: Record<string, Bar>;
  /** Where the clock stands until the next step, and what happened on the account before it. */
  advance: AdvanceClockResponse;
}

export interface ReplayOptions {
  /** Ends the iteration, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** The bars that have ended since the step before, oldest first. */
interface Ended {
  bars: Bar[];
  advance: AdvanceClockResponse;
}

const LENGTHS_MS: Record<BarInterval, number> = {
  "1M": 60_000,
  "5M": 300_000,
  "15M": 900_000,
  "1H": 3_600_000,
  "1D": 86_400_000,
};
/** After this time without an answer a call is repeated; others may take longer for their step. */
const WAIT_MS_MAX = 60_000;
// What one answer of the service holds at most.
const BARS_MAX = 1_000;
const QUOTES_MAX = 100;

/** Yield each bar of a symbol, or of all symbols. */
export async function* replayBars(
  ...given: Parameters<typeof replay>
): AsyncGenerator<Bar, void, void> {
  for await (const { bars } of replay(...given)) yield* bars;
}

/** Yield the bars of some symbols, those of one interval together. */
export async function* replaySteps(
  ...given: Parameters<typeof replay>
): AsyncGenerator<ReplayStep, void, void> {
  for await (const { bars, advance } of replay(...given)) {
    for (const start of new Set(bars.map((bar) => bar.start))) {
      const own = bars.filter((bar) => bar.start === start).map((bar) => [bar.symbol, bar]);
      yield { start, bars: Object.fromEntries(own), advance };
    }
  }
}

/** Move the clock from bar to bar and yield what ended; `reached` is told each new time. */
async function* replay(
  client: BotTradingClient,
  interval: BarInterval,
  symbols: readonly string[] | undefined,
  { signal }: ReplayOptions,
  reached: (time: string) => void,
): AsyncGenerator<Ended, void, void> {
  const patience = new Reopening(0);
  const options = { signal, timeoutMs: WAIT_MS_MAX };
  let { time } = await client.clock({ signal });
  patience.received();
  for (;;) {
    const from = time;
    const step = () => client.advanceClock({ next_bar: interval, from }, options);
    const advance = await insist(step, patience, signal);
    time = advance.time;
    reached(time);
    const lists = async () => {
      const query = span(interval, from, advance);
      const wanted = symbols ?? (await quotedSince(query.start, client, options));
      return Promise.all(wanted.map((symbol) => client.bars(symbol, query, options)));
    };
    if (time !== from) {
      const bars = (await insist(lists, patience, signal)).flat();
      bars.sort((one, other) => Date.parse(one.start) - Date.parse(other.start));
      yield { bars, advance };
    }
    if (advance.ended) return;
  }
}

/** Return which bars have ended since a time; at the end of the file its last ones have, too. */
function span(interval: BarInterval, from: string, { time, ended }: AdvanceClockResponse) {
  const length = LENGTHS_MS[interval];
  const begin = (moment: string) => Math.floor(Date.parse(moment) / length) * length;
  const start = Math.max(begin(from), begin(time) - (BARS_MAX - 1) * length);
  const end = ended ? {} : { end: written(begin(time)) };
  return { interval, start: written(start), ...end };
}

/** List the symbols that have had quotes since a time. */
async function quotedSince(start: string, client: BotTradingClient, options: ReplayOptions) {
  const symbols = (await client.instruments({}, options)).map(({ symbol }) => symbol);
  const quoted: string[] = [];
  for (let first = 0; first < symbols.length; first += QUOTES_MAX) {
    const quotes = await client.quotes(symbols.slice(first, first + QUOTES_MAX), options);
    const since = quotes.filter(({ time }) => Date.parse(time) >= Date.parse(start));
    quoted.push(...since.map(({ symbol }) => symbol));
  }
  return quoted;
}

/** Make calls again and again, until they are answered or refused. */
async function insist<T>(
  calls: () => Promise<T>,
  patience: Reopening,
  signal: AbortSignal | undefined,
): Promise<T> {
  for (;;) {
    try {
      const answer = await calls();
      patience.received();
      return answer;
    } catch (error) {
      const failed = error instanceof OutcomeUnknown ? error.cause : error;
      if (!(failed instanceof BotTradingError)) throw error;
      await pause(patience.pauseAfter(failed), signal);
    }
  }
}

function written(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
