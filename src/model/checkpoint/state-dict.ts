import { UserError } from "../../errors";
import { checkName, shown } from "./container";
import { type Pickled, TensorRef, Tuple } from "./pickle-values";

/** The tensors of a pickled object, and where in it they were found. */
export interface StateDict {
  readonly tensors: ReadonlyMap<string, TensorRef>;
  /** The way in, for reports: `list[4]`, `state_dict`; empty for a flat state dict. */
  readonly wrapper: string;
  /** Names beside the tensors that hold something else. */
  readonly ignored: readonly string[];
}

const emaKeys = ["ema", "model_ema", "ema_model", "ema_state_dict", "state_dict_ema", "params_ema"] as const;
const modelKeys = ["state_dict", "model", "module", "model_state_dict", "unet", "net", "network", "params"] as const;

const isTensors = (value: Pickled | undefined): value is Map<Pickled, Pickled> =>
  value instanceof Map && [...value.values()].some((item) => item instanceof TensorRef);

/** Can tensors be reached from here by the wrappers people use? */
const leads = (value: Pickled | undefined, depth: number): boolean =>
  isTensors(value) ||
  (depth > 0 && value instanceof Map && [...emaKeys, ...modelKeys].some((key) => leads(value.get(key), depth - 1)));

/** Finds the network in what `torch.save` was given: a flat dict; a dict with `state_dict`, `model`, `ema` or another of
 *  the keys above; or the list [model, optimizer, epoch, step, ema] of the DDIM training code, whose last entry is the
 *  moving average people mean by "the weights".
 *  @param ema take the moving average where the file carries one
 *  @throws UserError when there are no tensors. */
export function findStateDict(root: Pickled, file: string, ema: boolean): StateDict {
  const path: string[] = [];
  let value: Pickled | undefined = root;
  for (let depth = 0; depth < 4; depth++) {
    if (isTensors(value)) return collect(value, path.join("."), file);
    if (Array.isArray(value) || value instanceof Tuple) {
      const items: readonly Pickled[] = Array.isArray(value) ? value : value.items;
      const at: number = ema && items.length > 1 && leads(items.at(-1), 1) ? items.length - 1 : 0;
      path.push(`list[${at}]`);
      value = items[at];
    } else if (value instanceof Map) {
      const dict: Map<Pickled, Pickled> = value;
      const order = ema ? [...emaKeys, ...modelKeys] : [...modelKeys, ...emaKeys];
      const key: string | undefined = order.find((k) => leads(dict.get(k), 2));
      if (key === undefined) break;
      path.push(key);
      value = dict.get(key);
    } else break;
  }
  const keys = root instanceof Map ? [...root.keys()].slice(0, 5).map(keyText).join(", ") : kindOf(root);
  throw new UserError(
    `${file}: holds no state dict (found: ${keys || "nothing"}); save one with torch.save(model.state_dict(), ...)`,
  );
}

const kindOf = (value: Pickled): string => {
  if (value instanceof TensorRef) return "one tensor";
  if (Array.isArray(value) || value instanceof Tuple) return "a list";
  return `a ${typeof value}`;
};

/** Keys are mostly strings; a list or a dict as one is damage. */
const keyText = (key: Pickled) => shown(typeof key === "object" ? "?" : String(key), 40);

function collect(dict: Map<Pickled, Pickled>, wrapper: string, file: string): StateDict {
  const tensors = new Map<string, TensorRef>();
  const ignored: string[] = [];
  for (const [key, value] of dict) {
    if (typeof key !== "string") throw new UserError(`${file}: a tensor's name is no string; re-save the state dict`);
    checkName(key, file);
    if (value instanceof TensorRef) tensors.set(key, value);
    else ignored.push(key);
  }
  return { tensors, wrapper, ignored };
}
