// Tables: one column, one description; narrow screens leave columns out.

import type { ComponentChildren } from "preact";

export interface Column<Row> {
  /** The heading; if it is empty, screen readers read `label`. */
  title: string;
  label?: string;
  cell: (row: Row) => ComponentChildren;
  /** `figure`: to the right, digits below digits. `action`: as wide as its button. */
  kind?: "figure" | "action";
  /** The narrowest screen that shows it; left out: every one. */
  from?: "small" | "medium" | "large";
}

interface TableProps<Row> {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  /** Marks rows, such as the reader's own. */
  classOf?: (row: Row) => string | undefined;
}

export function Table<Row>({ caption, columns, rows, keyOf, classOf }: TableProps<Row>) {
  return (
    <table class="table">
      <caption class="visually-hidden">{caption}</caption>
      <thead>
        <tr>
          {columns.map((column, index) => (
            <th key={index} scope="col" class={classes(column)}>
              {column.title || <span class="visually-hidden">{column.label}</span>}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={keyOf(row)} class={classOf?.(row)}>
            {columns.map((column, index) => cell(column, row, index))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function cell<Row>(column: Column<Row>, row: Row, index: number) {
  const content = column.cell(row);
  const className = classes(column);
  return index === 0 ? (
    <th key={index} scope="row" class={className}>
      {content}
    </th>
  ) : (
    <td key={index} class={className}>
      {content}
    </td>
  );
}

function classes({ kind, from }: Column<never>): string | undefined {
  return [kind, from && `from-${from}`].filter(Boolean).join(" ") || undefined;
}
