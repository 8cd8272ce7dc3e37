import * as library from "injectfusion";
import { tryEngine } from "./try-engine.js";

tryEngine(library).then(
  (result) => Object.assign(globalThis, { result }),
  (error) => Object.assign(globalThis, { result: { error: String(error) } }),
);
