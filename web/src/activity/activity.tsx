// The screen "Activity".

import type { AccountScope } from "../service/account-scope.js";

export function ActivityScreen({ scope }: { scope: AccountScope | null }) {
  return <h1>Activity {scope?.id}</h1>;
}
