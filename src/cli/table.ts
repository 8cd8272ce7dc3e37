/** Rows of values as CSV (RFC 4180): a header line, then one line a row. */
export function csv(columns: readonly string[], rows: readonly (readonly (string | number | undefined)[])[]): string {
  const cell = (value: string | number | undefined) => {
    const text = value === undefined || Number.isNaN(value) ? "" : String(value);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return `${[columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** The same, aligned for reading: numbers to the right, words to the left. */
export function aligned(
  columns: readonly string[],
  rows: readonly (readonly (string | number | undefined)[])[],
): string[] {
  const cell = (value: string | number | undefined) => {
    if (typeof value !== "number" || Number.isInteger(value)) return String(value ?? "");
    return Math.abs(value) < 0.1 ? value.toPrecision(3) : value.toFixed(3);
  };
  const all = [columns, ...rows].map((row) => row.map(cell));
  const wide = columns.map((_, c) => Math.max(...all.map((row) => (row[c] ?? "").length)));
  const right = columns.map((_, c) => rows.every((row) => typeof row[c] !== "string"));
  const line = (row: readonly string[]) =>
    row.map((text, c) => (right[c] ? text.padStart(wide[c]!) : text.padEnd(wide[c]!))).join("  ");
  return all.map((row) => line(row).trimEnd());
}
