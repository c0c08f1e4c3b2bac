// The choice of an instrument: first those that the account holds.

import type { Instrument } from "bottrading-client";

import { word } from "../shared/format.js";

interface SymbolChoiceProps {
  instruments: readonly Instrument[];
  held: readonly string[];
  value: string | undefined;
  onChange: (symbol: string) => void;
}

export function SymbolChoice({ instruments, held, value, onChange }: SymbolChoiceProps) {
  const types = [...new Set(instruments.map(({ asset_type }) => asset_type))];
  const others = (type: string) =>
    instruments.filter(({ asset_type, symbol }) => asset_type === type && !held.includes(symbol));
  return (
    <select
      class="select select-small"
      aria-label="Symbol"
      value={value ?? ""}
      onChange={({ currentTarget }) => onChange(currentTarget.value)}
    >
      {held.length > 0 && (
        <optgroup label="Held">
          {held.map((symbol) => (
            <option key={symbol}>{symbol}</option>
          ))}
        </optgroup>
      )}
      {types.map((type) => (
        <optgroup key={type} label={word(type)}>
          {others(type).map(({ symbol, name }) => (
            <option key={symbol} value={symbol}>
              {symbol} · {name}
            </option>
          ))}
        </optgroup>
      ))}
    </select>
  );
}
