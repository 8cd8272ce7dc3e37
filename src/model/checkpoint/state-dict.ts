import { UserError } from "../../errors";
import { checkName, shown } from "./container";
import { type Pickled, TensorRef, Tuple } from "./pickle-values";

/** Tensors of a pickled object, and the path to them. */
export interface StateDict {
  readonly tensors: ReadonlyMap<string, TensorRef>;
  /** Path for reports: `list[4]`, `state_dict`; empty for a flat state dict. */
  readonly wrapper: string;
  /** The file's own metadata: `version`, of the program that wrote it. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Names in the same dict whose values are not tensors. */
  readonly ignored: readonly string[];
}

const emaKeys = ["ema", "model_ema", "ema_model", "ema_state_dict", "state_dict_ema", "params_ema"] as const;
const modelKeys = ["state_dict", "model", "module", "model_state_dict", "unet", "net", "network", "params"] as const;

type Dict = Map<Pickled, Pickled>;

/** Answers how tensors are reached from a value, each dict examined once: a pickle may name one dict in many places. */
class Search {
  readonly #direct = new Map<Dict, boolean>();
  readonly #indirect = new Map<Dict, boolean>();

  /** Is this a dict with tensors in it? */
  holds(value: Pickled | undefined): value is Dict {
    if (!(value instanceof Map)) return false;
    let found = this.#direct.get(value);
    if (found === undefined) {
      found = false;
      for (const item of value.values()) if ((found = item instanceof TensorRef)) break;
      this.#direct.set(value, found);
    }
    return found;
  }

  /** Does this dict hold tensors, or a dict of tensors under one of the wrappers' keys? */
  leads(value: Pickled | undefined): boolean {
    if (this.holds(value)) return true;
    if (!(value instanceof Map)) return false;
    let found = this.#indirect.get(value);
    if (found === undefined) {
      found = [...emaKeys, ...modelKeys].some((key) => this.holds(value.get(key)));
      this.#indirect.set(value, found);
    }
    return found;
  }

  /** The first of `keys` under which tensors are reached within two more wrappers. */
  first(dict: Dict, keys: readonly string[]): string | undefined {
    const deep = (value: Pickled | undefined) =>
      this.leads(value) ||
      (value instanceof Map && [...emaKeys, ...modelKeys].some((key) => this.leads(value.get(key))));
    return keys.find((key) => deep(dict.get(key)));
  }
}

/** Finds the network in what `torch.save` was given: a flat dict; a dict with `state_dict`, `model`, `ema` or another of
 *  the keys above; or the list [model, optimizer, epoch, step, ema] of the DDIM training code, whose last entry is the
 *  moving average that people call "the weights".
 *  @param ema take the moving average where the file has one
 *  @throws UserError when there are no tensors */
export function findStateDict(root: Pickled, file: string, ema: boolean): StateDict {
  const search = new Search();
  const path: string[] = [];
  let value: Pickled | undefined = root;
  for (let depth = 0; depth < 4; depth++) {
    if (search.holds(value)) return { ...collect(value, path.join("."), file), metadata: versionOf(root) };
    if (Array.isArray(value) || value instanceof Tuple) {
      const items: readonly Pickled[] = Array.isArray(value) ? value : value.items;
      const at: number = ema && items.length > 1 && search.leads(items.at(-1)) ? items.length - 1 : 0;
      path.push(`list[${at}]`);
      value = items[at];
    } else if (value instanceof Map) {
      const dict: Dict = value;
      const key = search.first(dict, ema ? [...emaKeys, ...modelKeys] : [...modelKeys, ...emaKeys]);
      if (key === undefined) break;
      path.push(key);
      value = dict.get(key);
    } else break;
  }
  throw new UserError(
    `${file}: holds no state dict (found: ${summary(root)}); save one with torch.save(model.state_dict(), ...)`,
  );
}

function versionOf(root: Pickled): Record<string, string> {
  const version = root instanceof Map ? root.get("version") : undefined;
  return typeof version === "string" && /^[\w.+-]{1,40}$/.test(version) ? { version } : {};
}

/** A few words on an object without tensors. */
function summary(value: Pickled): string {
  if (value instanceof TensorRef) return "one tensor";
  if (Array.isArray(value) || value instanceof Tuple) return "a list";
  if (!(value instanceof Map)) return `a ${typeof value}`;
  const keys: string[] = [];
  for (const key of value.keys()) {
    if (keys.length === 5) break;
    keys.push(typeof key === "string" ? shown(key, 40) : "?");
  }
  return keys.join(", ") || "nothing";
}

function collect(dict: Dict, wrapper: string, file: string): Omit<StateDict, "metadata"> {
  const tensors = new Map<string, TensorRef>();
  const ignored: string[] = [];
  for (const [key, value] of dict) {
    if (typeof key !== "string")
      throw new UserError(`${file}: the name of a tensor is not a string; re-save the state dict`);
    checkName(key, file);
    if (value instanceof TensorRef) tensors.set(key, value);
    else ignored.push(key);
  }
  return { tensors, wrapper, ignored };
}
