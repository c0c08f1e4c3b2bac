// How rows of the leaderboard and their curves are told apart.

import type { LeaderboardEntry } from "bottrading-client";

/** How many curves can be told apart on one chart. */
export const CURVES_MAX = 6;

/** Dashes tell curves apart without colour. */
export const DASHES: readonly number[][] = [
  [],
  [6, 3],
  [2, 3],
  [10, 3, 2, 3],
  [14, 4],
  [4, 2, 1, 2],
];

/** Return a key that names a row in every read; two people with one name have the same key. */
export function nameOf({ display_name, own }: LeaderboardEntry): string {
  return own ? "own" : `name ${display_name}`;
}
