// The rows of the leaderboard; a checkbox draws an account's curve.

import type { LeaderboardEntry } from "bottrading-client";

import { Change } from "../shared/change.js";
import { count, percent, ratio, signedPercent } from "../shared/format.js";
import { RobotIcon } from "../shared/icons.js";
import { type Column, Table } from "../shared/table.js";
import { CURVES_MAX, nameOf } from "./ranking.js";
import { Sparkline } from "./sparkline.js";

interface RankingTableProps {
  entries: readonly LeaderboardEntry[];
  drawn: readonly LeaderboardEntry[];
  onChoose: (entry: LeaderboardEntry) => void;
}

export function RankingTable({ entries, drawn, onChoose }: RankingTableProps) {
  const isFull = drawn.length >= CURVES_MAX;
  const columns: Column<LeaderboardEntry>[] = [
    { title: "Rank", kind: "action", cell: ({ rank }) => count(rank) },
    { title: "Name", cell: (entry) => <Name entry={entry} /> },
    {
      title: "Return",
      kind: "figure",
      cell: ({ return_pct }) => (
        <Change of={return_pct} withArrow>
          {signedPercent(return_pct)}
        </Change>
      ),
    },
    {
      title: "Curve",
      kind: "figure",
      from: "small",
      cell: ({ return_curve }) => <Sparkline points={return_curve} />,
    },
    {
      title: "Max drawdown",
      kind: "figure",
      from: "medium",
      cell: ({ max_drawdown }) => percent(max_drawdown),
    },
    { title: "Sharpe", kind: "figure", from: "medium", cell: (entry) => ratio(entry.sharpe_ratio) },
    {
      title: "Win rate",
      kind: "figure",
      from: "large",
      cell: (entry) => percent(entry.win_rate, 1),
    },
    { title: "Trades", kind: "figure", from: "small", cell: ({ trades }) => count(trades) },
    {
      title: "Chart",
      kind: "action",
      cell: (entry) => {
        const isDrawn = drawn.includes(entry);
        return (
          <input
            type="checkbox"
            aria-label={`Draw the curve of ${entry.display_name}`}
            checked={isDrawn}
            disabled={!isDrawn && isFull}
            onChange={() => onChoose(entry)}
          />
        );
      },
    },
  ];
  return (
    <Table
      caption="Leaderboard"
      columns={columns}
      rows={entries}
      keyOf={(entry) => `${nameOf(entry)} ${entry.rank}`}
      classOf={({ own }) => (own ? "is-own" : undefined)}
    />
  );
}

function Name({ entry }: { entry: LeaderboardEntry }) {
  const { display_name, badge, own, was_reset } = entry;
  return (
    <>
      <span class="name">{display_name}</span>{" "}
      {badge && (
        <span class="badge" title="Trades through bots">
          <RobotIcon />
          <span class="visually-hidden">{badge} trades through bots</span>
        </span>
      )}{" "}
      {own && <span class="tag tag-accent">You</span>}
      {entry.margin_mode === "MARGIN" && <span class="tag tag-warning">Margin</span>}{" "}
      {was_reset && (
        <span class="tag" title="This account was reset">
          Reset
        </span>
      )}
    </>
  );
}
