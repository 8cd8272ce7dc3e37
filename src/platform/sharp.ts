import type { default as Sharp } from "sharp";
import { UserError } from "../errors";

let loaded: Promise<typeof Sharp> | undefined;

/** The picture library `sharp`, loaded on first use: it is an optional dependency, which pages do not need.
 *  @throws UserError where it is not installed, or does not run on this platform */
export function sharpLibrary(): Promise<typeof Sharp> {
  loaded ??= import("sharp").then(
    (module) => module.default,
    (error: Error) => {
      loaded = undefined;
      const [line] = error.message.trim().split("\n");
      throw new UserError(`pictures need the package sharp, which does not load (${line}); try: npm install sharp`);
    },
  );
  return loaded;
}
