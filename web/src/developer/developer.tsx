// The screen "Developer".

import type { AccountScope } from "../service/account-scope.js";

export function DeveloperScreen({ scope }: { scope: AccountScope | null }) {
  return <h1>Developer {scope?.id}</h1>;
}
