// The screen "Account": equity, key figures, positions, live orders, prices and fills.

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
