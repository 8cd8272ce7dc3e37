import { type Dispatch, elements, f32, type Tensor } from "../../src/kernels/dispatch";
import type { Data } from "../support/run";

export interface Values {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A manifest of the golden directory, as far as kernels read it. */
export interface Manifest {
  readonly case: string;
  readonly tolerance?: number;
  readonly subcases?: readonly Subcase[];
}

export interface Subcase {
  readonly id: string;
  readonly op?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  /** role -> tensor name */
  readonly tensors?: Readonly<Record<string, string>>;
  readonly tolerance?: number;
  readonly [extra: string]: unknown;
}

/** What one check needs: kernels to run, and what they should give. */
export interface Check {
  readonly id: string;
  readonly dispatches: readonly Dispatch[];
  readonly inputs: ReadonlyMap<Tensor, Data>;
  readonly output: Tensor;
  readonly expected: ArrayLike<number>;
  /** picks from the output what is compared */
  readonly pick?: (output: Float32Array) => ArrayLike<number>;
  /** largest relative error, or the largest absolute one */
  readonly tolerance?: number;
  readonly absolute?: boolean;
}

/** A check, or why there is none. */
export type Made = Check | { readonly id: string; readonly error: string };

/** The tensors of a subcase by role, on both sides. */
export class Roles {
  readonly inputs = new Map<Tensor, Data>();

  constructor(
    readonly subcase: Subcase,
    readonly tensors: ReadonlyMap<string, Values>,
  ) {}

  has(role: string): boolean {
    return this.subcase.tensors?.[role] !== undefined;
  }

  values(role: string): Values {
    const name = this.subcase.tensors?.[role];
    const found = name === undefined ? undefined : this.tensors.get(name);
    if (!found) throw new Error(`no tensor for "${role}"`);
    return found;
  }

  /** A tensor with the data of this role, in another shape if asked. */
  input(role: string, ...shape: number[]): Tensor {
    const { shape: stored, data } = this.values(role);
    return this.given(role, data, ...(shape.length > 0 ? shape : stored));
  }

  given(name: string, data: ArrayLike<number>, ...shape: number[]): Tensor {
    const t = f32(name, ...shape);
    if (elements(t) !== data.length) throw new Error(`${name}: ${data.length} values for shape [${shape}]`);
    this.inputs.set(t, Float32Array.from(data));
    return t;
  }

  param<T>(name: string): T | undefined {
    return this.subcase.params?.[name] as T | undefined;
  }

  /** The check that `output` equals the tensor of `role`. */
  check(dispatches: readonly Dispatch[], output: Tensor, role = "y", more: Partial<Check> = {}): Check {
    const { subcase, inputs } = this;
    const id = role === "y" ? subcase.id : `${subcase.id}.${role}`;
    const tolerance = subcase.tolerance === undefined ? {} : { tolerance: subcase.tolerance };
    return { id, dispatches, inputs, output, expected: this.values(role).data, ...tolerance, ...more };
  }
}
