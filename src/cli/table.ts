/** Rows of values as CSV (RFC 4180): a header line, then one line a row. */
export function csv(columns: readonly string[], rows: readonly (readonly (string | number | undefined)[])[]): string {
  const cell = (value: string | number | undefined) => {
    const text = value === undefined || Number.isNaN(value) ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${[columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** The same, aligned for reading. */
export function aligned(
  columns: readonly string[],
  rows: readonly (readonly (string | number | undefined)[])[],
): string[] {
  const cell = (value: string | number | undefined) =>
    value === undefined
      ? ""
      : typeof value === "number"
        ? Number.isInteger(value)
          ? String(value)
          : value.toFixed(3)
        : value;
  const all = [columns, ...rows].map((row) => row.map(cell));
  const wide = columns.map((_, c) => Math.max(...all.map((row) => (row[c] ?? "").length)));
  return all.map((row) =>
    row
      .map((text, c) => (c === 0 ? text.padEnd(wide[c]!) : text.padStart(wide[c]!)))
      .join("  ")
      .trimEnd(),
  );
}
