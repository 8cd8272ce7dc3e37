/** Is this text a URL, as opposed to a path? */
export const isUrl = (text: string): boolean => /^(?:https?|data|blob|file):/i.test(text);

const MOST = 160;

/** A URL as messages may show it: without credentials, query and fragment, and never the content of a data URL. */
export function shortUrl(url: string | URL): string {
  const text = String(url);
  if (/^data:/i.test(text)) {
    const type = /^data:([\w.+/-]{0,60})/i.exec(text)?.[1];
    return `data URL (${type ? `${type}, ` : ""}${text.length} characters)`;
  }
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  const bare = parsed?.host ? `${parsed.protocol}//${parsed.host}${parsed.pathname}` : text.replace(/[?#].*/s, "");
  const safe = bare.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
  return safe.length > MOST ? `${safe.slice(0, MOST)}...` : safe;
}
