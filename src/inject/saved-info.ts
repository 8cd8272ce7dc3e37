import type { UserError } from "../errors";

/** Whether a value is an integer from 1. */
export const isCount = (v: unknown): v is number => Number.isInteger(v) && (v as number) > 0;

/** Whether a value is the shape [C, H, W] of a tensor. */
export const isShape = (v: unknown): boolean => Array.isArray(v) && v.length === 3 && v.every(isCount);

/** Parses the object that a saved file has in its metadata. What it holds is checked by the caller.
 *  @throws `damaged` if it is no JSON, or no object */
export function parseInfo<T extends object>(text: string, damaged: UserError): T {
  let info: T;
  try {
    info = JSON.parse(text) as T;
  } catch {
    throw damaged;
  }
  if (typeof info !== "object" || info === null) throw damaged;
  return info;
}
