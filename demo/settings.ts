import { type PresetName, presets, resolveParameters, type Solver } from "../src/browser";
import { methodOf } from "../src/model/presets";
import { SOLVERS } from "../src/model/schedule";
import type { InversionWay } from "./host-copies";

/** Values of the sliders. */
export interface Settings {
  readonly preset: PresetName;
  readonly gamma: number;
  readonly omega: number | "off";
  readonly tEdit: number;
  readonly tBoost: number;
  readonly stepsInversion: number;
  readonly steps: number;
  readonly solver: Solver;
  readonly seed: number;
}

/** Numbers of steps that a slider stops at. */
export const STEPS = [6, 10, 15, 20, 25, 30, 40, 50, 75, 100, 150, 200, 300, 500, 1000] as const;

/** Preset of the page as it opens: the shipped model's. */
export const FIRST_PRESET: PresetName = methodOf();

export const isPreset = (name: string): name is PresetName => Object.hasOwn(presets, name);

/** The settings of a preset. */
export function presetSettings(preset: PresetName, seed = 0): Settings {
  const { gamma, omega, tEdit, tBoost, steps, stepsInversion, solver } = resolveParameters({}, preset);
  return { preset, gamma, omega, tEdit, tBoost, steps, stepsInversion, solver, seed };
}

/** How pictures are inverted under these settings. */
export const inversionWay = ({ stepsInversion: steps, solver }: Settings): InversionWay => ({ steps, solver });

/** Contents of a shared link. */
export interface Shared {
  readonly settings: Settings;
  /** values of the h grid, 0 to 1, or none */
  readonly mask: readonly number[] | undefined;
  readonly content: string | undefined;
  readonly original: string | undefined;
}

/** Writes the fragment of a link that brings these settings back. Mask values are two hex digits each. */
export function toHash({ settings: s, mask, content, original }: Shared): string {
  const fields: Record<string, string | number | undefined> = {
    content,
    original,
    preset: s.preset,
    gamma: s.gamma,
    omega: s.omega,
    t_edit: s.tEdit,
    boost: s.tBoost,
    inversion: s.stepsInversion,
    steps: s.steps,
    solver: s.solver,
    seed: s.seed,
    mask: mask
      ?.map((v) =>
        Math.round(v * 255)
          .toString(16)
          .padStart(2, "0"),
      )
      .join(""),
  };
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
}

/** Reads a fragment. A value that is missing, empty or out of range is the preset's: anybody can write a link. */
export function fromHash(hash: string): Shared {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const text = (key: string) => fields.get(key) ?? undefined;
  const number = (key: string, low: number, high: number, fallback: number, whole = true) => {
    const value = Number(text(key)?.trim() || Number.NaN);
    return value >= low && value <= high && (!whole || Number.isInteger(value)) ? value : fallback;
  };
  const preset = text("preset") ?? "";
  const base = presetSettings(isPreset(preset) ? preset : FIRST_PRESET);
  const omega = text("omega") === "off" ? "off" : number("omega", 0, 1, Number.NaN, false);
  const tEdit = number("t_edit", 0, 1000, base.tEdit);
  const settings: Settings = {
    preset: base.preset,
    gamma: number("gamma", 0, 1, base.gamma, false),
    omega: Number.isNaN(omega) ? base.omega : omega,
    tEdit,
    tBoost: Math.min(tEdit, number("boost", 0, 999, base.tBoost)),
    stepsInversion: number("inversion", 2, 1000, base.stepsInversion),
    steps: number("steps", 2, 1000, base.steps),
    solver: SOLVERS.find((solver) => solver === text("solver")) ?? base.solver,
    seed: number("seed", 0, 2 ** 32 - 1, base.seed),
  };
  return { settings, mask: parseMask(text("mask")), content: name(text("content")), original: name(text("original")) };
}

/** Whether a fragment says how many steps to take. */
export const saysSteps = (hash: string): boolean => /[#&](?:steps|inversion|preset)=[^&]/.test(hash);

const name = (text: string | undefined) => (text && /^[\w-]{1,40}$/.test(text) ? text : undefined);

function parseMask(text: string | undefined): number[] | undefined {
  if (!text || text.length > 8192 || !/^(?:[0-9a-f]{2})+$/.test(text)) return undefined;
  return Array.from(text.matchAll(/../g), ([digits]) => Number.parseInt(digits, 16) / 255);
}
