import { DeviceLostError, LimitError, NonFiniteError, ShapeError, UserError } from "../src/browser";

/** Message of the page about an error: one sentence on what happened and one on what to do. */
export interface Message {
  readonly text: string;
  /** `resume`: a new device can go on; `retry`: the same thing may work again; `none`: only the user can mend it. */
  readonly remedy: "resume" | "retry" | "none";
}

export const isCancel = (error: unknown): boolean => error instanceof Error && error.name === "AbortError";

export function messageFor(error: unknown): Message {
  if (error instanceof DeviceLostError)
    return {
      text: "The GPU went away (its driver was reset, or the browser needed it). Your pictures and settings are still here.",
      remedy: "resume",
    };
  if (error instanceof LimitError)
    return {
      text: `This model is too large for the GPU here: ${error.what} takes ${megabytes(error.needed)} MB, and one buffer may have ${megabytes(error.limit)} MB. Choose a smaller model, or open the page on another GPU.`,
      remedy: "none",
    };
  if (error instanceof NonFiniteError || error instanceof ShapeError)
    return { text: sentence(error.message), remedy: "none" };
  if (error instanceof UserError)
    return { text: sentence(error.message), remedy: /secure context|no WebGPU/.test(error.message) ? "none" : "retry" };
  const what = error instanceof Error ? error.message : String(error);
  return { text: `Something went wrong inside the engine: ${what.split("\n", 1)[0]?.slice(0, 200)}`, remedy: "retry" };
}

const megabytes = (bytes: number): string => (bytes / 2 ** 20).toLocaleString("en", { maximumFractionDigits: 1 });

const sentence = (text: string): string => {
  const upper = /^[a-z][a-z]* /.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /[.!?]$/.test(upper) ? upper : `${upper}.`;
};
