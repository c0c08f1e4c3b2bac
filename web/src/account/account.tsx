// The screen "Account".

import type { AccountScope } from "../service/account-scope.js";

export function AccountScreen({ scope }: { scope: AccountScope | null }) {
  return <h1>Account {scope?.id}</h1>;
}
