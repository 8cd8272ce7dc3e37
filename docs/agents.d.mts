/** AGENTS.md and llms.txt by name, as `node docs/agents.mjs` writes them. */
export function generated(): Readonly<Record<string, string>>;
