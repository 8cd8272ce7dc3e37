import * as library from "./browser.js";
import { tryEngine } from "./try-engine.js";

tryEngine(library, { run: true }).then(
  (result) => postMessage(result),
  (error) => postMessage({ error: String(error) }),
);
