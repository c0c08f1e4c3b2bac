// The screen "Account": what it is worth, what it holds, what waits and what happened.

import type { AccountScope } from "../service/account-scope.js";
import { Equity } from "./equity.js";
import { Fills } from "./fills.js";
import { KeyFigures } from "./key-figures.js";
import { LiveOrders } from "./orders.js";
import { Positions } from "./positions.js";
import { PriceChart } from "./price-chart.js";

export function AccountScreen({ scope }: { scope: AccountScope }) {
  return (
    <>
      <Equity scope={scope} />
      <KeyFigures scope={scope} />
      <Positions scope={scope} />
      <LiveOrders scope={scope} />
      <PriceChart scope={scope} />
      <Fills scope={scope} />
    </>
  );
}
