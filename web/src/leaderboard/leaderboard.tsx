// The screen "Leaderboard": who earns most, with everybody's curve.

import { useSignal } from "@preact/signals";
import {
  type Leaderboard,
  type LeaderboardEntry,
  type LeaderboardPeriod,
  type MarginMode,
  PublicClient,
} from "bottrading-client";
import { useMemo } from "preact/hooks";

import { account, type AccountScope } from "../service/account-scope.js";
import { Figure, useFigures } from "../service/figure.js";
import { addressOf } from "../routing.js";
import { counted } from "../shared/format.js";
import { Segments } from "../shared/segments.js";
import { Empty, Loading } from "../shared/states.js";
import { Curves } from "./curves.js";
import { CURVES_MAX, nameOf } from "./ranking.js";
import { RankingTable } from "./ranking-table.js";

const PERIODS: readonly { value: LeaderboardPeriod; title: string }[] = [
  { value: "DAY", title: "Day" },
  { value: "WEEK", title: "Week" },
  { value: "MONTH", title: "Month" },
  { value: "ALL", title: "All" },
];
const MODES: readonly { value: MarginMode; title: string }[] = [
  { value: "CASH", title: "Cash" },
  { value: "MARGIN", title: "Margin" },
];
const ROWS_AT_ONCE = 50;
const CURVE_POINTS = 40;
const CHOSEN_AT_FIRST = 4;

export function LeaderboardScreen({ scope }: { scope: AccountScope | null }) {
  const period = useSignal<LeaderboardPeriod>("ALL");
  const mode = useSignal<MarginMode | undefined>(undefined);
  const rows = useSignal(ROWS_AT_ONCE);
  const chosen = useSignal<ReadonlySet<string> | null>(null);
  const ranking = useRanking(scope, period.value, mode.value, rows.value);
  useFigures(ranking);
  const page = ranking.value.value;
  const shown = page ? rowsOf(page) : [];
  const drawn = shown.filter((entry) =>
    chosen.value ? chosen.value.has(nameOf(entry)) : entry.own || entry.rank <= CHOSEN_AT_FIRST,
  );
  const choose = (entry: LeaderboardEntry) => {
    const names = new Set(drawn.map(nameOf));
    if (!names.delete(nameOf(entry))) names.add(nameOf(entry));
    if (names.size <= CURVES_MAX) chosen.value = names;
  };

  return (
    <>
      <div class="page-head">
        <h1>
          Leaderboard
          {page && <span class="sub">{counted(page.rank_total, "ranked account")}</span>}
        </h1>
        <div class="choices">
          <Segments
            label="Margin mode"
            options={MODES}
            value={
              mode.value ??
              page?.entries[0]?.margin_mode ??
              account.value?.margin_mode ??
              "CASH"
            }
            onChange={(value) => {
              mode.value = value;
              rows.value = ROWS_AT_ONCE;
              chosen.value = null;
            }}
          />
          <Segments
            label="Period"
            options={PERIODS}
            value={period.value}
            onChange={(value) => {
              period.value = value;
              rows.value = ROWS_AT_ONCE;
            }}
          />
        </div>
      </div>
      {!page ? (
        <Loading what="the leaderboard" error={ranking.error} />
      ) : shown.length === 0 ? (
        <Empty title="Nobody is ranked yet">
          An account is ranked from its first fill on.
          {scope && (
            <>
              {" "}
              Make a key under <a href={addressOf("developer")}>Developer</a>, and let a bot trade.
            </>
          )}
        </Empty>
      ) : (
        <>
          <Curves entries={drawn.slice(0, CURVES_MAX)} />
          <RankingTable entries={shown} drawn={drawn} onChoose={choose} />
        </>
      )}
      {page && page.entries.length < page.rank_total && rows.value < 100 && (
        <p class="more">
          <button class="button button-small" type="button" onClick={() => (rows.value = 100)}>
            Show more
          </button>
        </p>
      )}
    </>
  );
}

/** Without a margin mode, the ranking is the one that the reader's account is in. */
function useRanking(
  scope: AccountScope | null,
  period: LeaderboardPeriod,
  mode: MarginMode | undefined,
  limit: number,
) {
  return useMemo(() => {
    const client = scope?.client ?? new PublicClient({ baseUrl: location.origin });
    const query = { period, margin_mode: mode, limit, curve_points: CURVE_POINTS };
    const read = () => client.leaderboard(query);
    return new Figure(read, { everyMs: 5_000, atMostEveryMs: 2_000 });
  }, [scope, period, mode, limit]);
}

/** Return the rows, and below them the reader's own if it ranks further down. */
function rowsOf({ entries, own_entry }: Leaderboard): LeaderboardEntry[] {
  const isShown = entries.some(({ own }) => own);
  return own_entry && !isShown ? [...entries, own_entry] : entries;
}
