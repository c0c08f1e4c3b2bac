// Who placed an order: the label of its bot key, or the person.

import { useFigures } from "../service/figure.js";
import type { AccountScope } from "../service/account-scope.js";
import { shortId } from "../shared/format.js";

/** Return a function that names a key; it reads the keys once they are needed. */
export function useKeyNames(scope: AccountScope): (keyId: string | null | undefined) => string {
  const { keys } = scope.person;
  useFigures(keys);
  const labels = new Map(keys.value.value?.map(({ id, label }) => [id, label]));
  return (keyId) => (keyId ? (labels.get(keyId) ?? shortId(keyId)) : "You");
}
