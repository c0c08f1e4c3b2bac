// The screen "Developer": what may trade on the account, and within which limits.

import type { AccountScope } from "../service/account-scope.js";
import { useFigures } from "../service/figure.js";
import { Accounts } from "./accounts.js";
import { GuardRailsForm } from "./guard-rails.js";
import { Keys } from "./keys.js";
import { Limits } from "./limits.js";
import { MarginModeChoice } from "./margin-mode.js";
import { TradingStateChoice } from "./trading-state.js";

export function DeveloperScreen({ scope }: { scope: AccountScope }) {
  useFigures(scope.person.keys, scope.limits);
  return (
    <>
      <h1>Developer</h1>
      <Keys scope={scope} />
      <TradingStateChoice scope={scope} />
      <MarginModeChoice scope={scope} />
      <GuardRailsForm scope={scope} />
      <Limits scope={scope} />
      <Accounts scope={scope} />
    </>
  );
}
