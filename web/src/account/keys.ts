// Who placed an order: the label of its bot key, the person, or the venue.

import type { PlacedBy } from "bottrading-client";

import { useFigures } from "../service/figure.js";
import type { AccountScope } from "../service/account-scope.js";
import { shortId } from "../shared/format.js";

export type NameOf = (keyId: string | null | undefined, placedBy: PlacedBy) => string;

/** Return a function that names who placed an order; it reads the keys once they are needed. */
export function useKeyNames(scope: AccountScope): NameOf {
  const { keys } = scope.person;
  useFigures(keys);
  const labels = new Map(keys.value.value?.map(({ id, label }) => [id, label]));
  const withoutKey = (placedBy: PlacedBy) => (placedBy === "VENUE" ? "The venue" : "You");
  return (keyId, placedBy) =>
    keyId ? (labels.get(keyId) ?? shortId(keyId)) : withoutKey(placedBy);
}
