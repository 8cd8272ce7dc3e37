import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { convert } from "../src/cli/convert";
import { inspect } from "../src/cli/inspect";
import { convertModel } from "../src/model/checkpoint/convert";
import { decode } from "../src/model/checkpoint/dtype";
import { inspectCheckpoint } from "../src/model/checkpoint/inspect";
import { memorySource } from "../src/model/checkpoint/source";
import { DDPM_TINY, expectState, open, stateOf } from "./checkpoint-models";
import {
  collect,
  encode,
  type Py,
  type State,
  safetensors,
  stateFile,
  torchLegacy,
  torchZip,
} from "./checkpoint-writers";
import { toDiffusers } from "./support/to-diffusers";

const state = stateOf(DDPM_TINY);
const rounded: State = new Map(
  [...state].map(([name, { shape, values }]) => [
    name,
    { shape, values: decode(new Uint8Array(encode(values, "F16")), "F16") },
  ]),
);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "convert-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("conversion", () => {
  test("to f32 keeps every bit and remembers the configuration", async () => {
    const { pieces, report } = await convertModel(await open(torchLegacy(stateFile(state)), { resolution: 16 }), {
      dtype: "f32",
    });
    const again = await open(await collect(pieces));
    expect(again.config).toEqual(DDPM_TINY);
    expect(report).toMatchObject({ tensors: 142, parameters: 285_667, keptF32: [], notes: {} });
    await expectState(again, state);
  });
  test("from diffusers' names, and twice: the same file", async () => {
    const theirs = new Map([...state].map(([name, tensor]) => [toDiffusers(name, 2, "old"), tensor]));
    const once = await collect(
      (
        await convertModel(await open(torchZip(stateFile(theirs)), { resolution: 16, family: "ddpm" }, "m"), {
          dtype: "f32",
        })
      ).pieces,
    );
    const twice = await collect((await convertModel(await open(once, {}, "m"), { dtype: "f32" })).pieces);
    expect(Buffer.compare(once, twice)).toBe(0);
  });
  test("to f16 rounds to nearest", async () => {
    const { pieces, report } = await convertModel(await open(torchZip(stateFile(state)), { resolution: 16 }), {
      dtype: "f16",
    });
    const bytes = await collect(pieces);
    expect(bytes.length).toBeLessThan(2 * 285_667 + 20_000);
    await expectState(await open(bytes), rounded);
    expect(report.keptF32).toEqual([]);
  });
  test("tensors that f16 would damage stay f32 and are reported", async () => {
    const wide = new Map(state);
    wide.set("conv_in.bias", { shape: [32], values: new Float32Array(32).fill(1e5) });
    wide.set("norm_out.bias", { shape: [32], values: new Float32Array(32).fill(1e-9) });
    const { pieces, report } = await convertModel(await open(await safetensors(wide), { resolution: 16 }), {
      dtype: "f16",
    });
    const again = await open(await collect(pieces));
    expect(await again.read("conv_in.bias")).toEqual(wide.get("conv_in.bias")!.values);
    expect(again.tensors.get("conv_in.bias")!.dtype).toBe("F32");
    expect([...report.keptF32].sort()).toEqual(["conv_in.bias", "norm_out.bias"]);
    expect(report.notes["conv_in.bias"]).toMatchObject({ overflow: 32, safe: false });
    expect(report.notes["norm_out.bias"]).toMatchObject({ flushed: 32, flushedShare: 1 });
  });
});

describe("inspection", () => {
  test("a good file", async () => {
    const file = stateFile(state, { prefix: "module." });
    const wrapped = torchZip({ object: new Map<string, Py>([["state_dict", file.object]]), storages: file.storages });
    const report = await inspectCheckpoint(memorySource(wrapped, "m.ckpt"), { resolution: 16 });
    expect(report).toMatchObject({
      file: "m.ckpt",
      container: "torch-zip",
      wrapper: "state_dict module.",
      layout: "A",
      config: DDPM_TINY,
      tensors: 142,
      parameters: 285_667,
      dtypes: { F32: 142 },
      largest: { shape: [32, 64, 3, 3], bytes: 73_728 },
      missing: [],
      unexpected: [],
      problems: [],
    });
  });
  test("a file with faults is described as far as it goes", async () => {
    const odd = new Map(state).set("extra.weight", { shape: [1], values: Float32Array.of(1) });
    odd.set("norm_out.weight", { shape: [16], values: new Float32Array(16) });
    odd.delete("conv_out.bias");
    const report = await inspectCheckpoint(memorySource(await safetensors(odd)));
    expect(report).toMatchObject({
      missing: ["conv_out.bias"],
      unexpected: ["extra.weight"],
      misshaped: ["norm_out.weight: [16], expected [32]"],
      problems: ["1 tensors are missing", "1 tensors have the wrong shape"],
    });
  });
  test("tensors that are no U-Net", async () => {
    const bytes = await safetensors(new Map([["fc.weight", { shape: [2], values: Float32Array.of(1, 2) }]]));
    const report = await inspectCheckpoint(memorySource(bytes));
    expect(report).toMatchObject({
      layout: null,
      config: null,
      tensors: 1,
      problems: [expect.stringMatching(/choose a U-Net/)],
    });
  });
});

describe("commands", () => {
  async function run(...args: string[]): Promise<{ out: string; error: unknown }> {
    let out = "";
    const terminal = { stdout: { write: (text: string) => (out += text) }, stderr: { write: () => true } };
    const context = { terminal, signal: new AbortController().signal };
    const program = new Command().exitOverride().addCommand(inspect(context)).addCommand(convert(context));
    for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
    const error = await program.parseAsync(args, { from: "user" }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    return { out, error };
  }
  test("convert, then inspect", async () => {
    const from = join(folder, "m.ckpt");
    const to = join(folder, "m.safetensors");
    await writeFile(from, torchZip(stateFile(state)));
    const { out, error } = await run("convert", from, to, "--dtype", "f16", "--resolution", "16", "--quiet");
    expect(error).toBeUndefined();
    expect(out).toMatch(/142 tensors, 285,667 parameters, f16/);
    await expectState(await open(await readFile(to)), rounded);
    const shown = await run("inspect", to);
    expect(shown.error).toBeUndefined();
    expect(shown.out).toMatch(/^container {2}safetensors$/m);
    expect(shown.out).toMatch(/images +3 x 16 x 16/);
    const json = JSON.parse((await run("inspect", to, "--json")).out);
    expect(json).toMatchObject({ layout: "A", dtypes: { F16: 142 }, problems: [] });
  });
  test("faults end with a failure", async () => {
    const odd = join(folder, "odd.safetensors");
    const less = new Map(state);
    less.delete("conv_out.bias");
    await writeFile(odd, await safetensors(less));
    const shown = await run("inspect", odd);
    expect(shown.out).toMatch(/problem +1 tensors are missing/);
    expect(shown.error).toMatchObject({ name: "PartialFailure" });
    expect((await run("convert", odd, join(folder, "x"))).error).toMatchObject({ name: "UserError" });
    expect((await run("inspect", join(folder, "none"))).error).toMatchObject({ name: "UserError" });
    expect((await run("inspect", odd, "--resolution", "0")).error).toMatchObject({ code: "commander.invalidArgument" });
  });
});
