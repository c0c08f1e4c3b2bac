// The screen "Leaderboard".

import type { AccountScope } from "../service/account-scope.js";

export function LeaderboardScreen({ scope }: { scope: AccountScope | null }) {
  return <h1>Leaderboard {scope?.id}</h1>;
}
