/** Whether a version lies in a range such as `^20.19.0 || >=22.12.0`: carets and lower bounds, nothing else.
 *  @param {string} version @param {string} range @returns {boolean} */
export function satisfies(version, range) {
  const numbers = (text) => text.split(".").map(Number);
  const [major, minor, patch] = numbers(version);
  return range.split("||").some((part) => {
    const [, sign, least] = /^(\^|>=)([\d.]+)$/.exec(part.trim());
    const [a, b, c] = numbers(least);
    if (sign === "^" && major !== a) return false;
    return major !== a ? major > a : minor !== b ? minor > b : patch >= c;
  });
}
