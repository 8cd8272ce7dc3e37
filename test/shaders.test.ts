import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { create, globals } from "webgpu";
import { elementwise } from "../src/wgsl/elementwise";
import { inHalves } from "../src/wgsl/halves";
import { type Constants, specialise } from "../src/wgsl/specialise";
import { allShaders } from "../src/wgsl/tuner-shaders";

// Dawn's null back end has every feature, validates every shader and executes none.

let held: GPU | undefined;
let device: GPUDevice;

beforeAll(async () => {
  Object.assign(globalThis, globals);
  held = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
  const adapter = await held.requestAdapter();
  const requiredFeatures = ["chromium-experimental-subgroup-matrix", "subgroups", "shader-f16"] as GPUFeatureName[];
  device = await adapter!.requestDevice({ requiredFeatures });
});

afterAll(() => {
  device.destroy();
  held = undefined;
});

async function expectCompiles(name: string, code: string): Promise<void> {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code });
  const error = await device.popErrorScope();
  const { messages } = await module.getCompilationInfo();
  const lines = messages.map(({ lineNum, message }) => `shaders/${name}.wgsl:${lineNum}: ${message}`);
  expect(error?.message ?? "", lines.join("\n")).toBe("");
}

/** Forms of a shader: as it stands, with weights in f16, with operands in f16, and with two inputs. */
function formsOf(text: string): Constants[] {
  return [
    {},
    ...(text.includes("const PER_WORD") ? [{ PER_WORD: 2 }] : []),
    ...(text.includes("alias Element") ? [{ Element: "f16", PER_WORD: 2 }] : []),
    ...(text.includes("const JOINED") ? [{ JOINED: 1 }] : []),
  ];
}

for (const [name, text] of Object.entries(allShaders))
  test(`${name} compiles in every form, for Node and for browsers`, async () => {
    for (const constants of formsOf(text))
      for (const source of [text, elementwise(text)])
        await expectCompiles(name, specialise(name, source, constants).code);
  });

/** Names of the storage arrays of a shader whose elements are f16. */
const halfArrays = (code: string) =>
  [...code.matchAll(/(\w+): array<(?:array<)?(?:f16|vec.h|mat...h)\b/g)].map((m) => m[1]!);

for (const [name, text] of Object.entries(allShaders))
  test(`${name} compiles with all its tensors in f16, and with each alone`, async () => {
    const bindings = [...text.matchAll(/@binding\((\d+)\) var<storage/g)].map((m) => Number(m[1]));
    const all = inHalves(text, bindings);
    const each = bindings.map((binding) => inHalves(text, [binding]));
    for (const source of [all, elementwise(all), ...each])
      await expectCompiles(name, specialise(name, source, {}).code);
    for (const constants of formsOf(text).slice(1))
      await expectCompiles(name, specialise(name, inHalves(text, bindings, constants), constants).code);
    const words = ["pointwise/non_finite"]; // floats by their bits
    expect(halfArrays(all).length > 0).toBe(!words.includes(name));
  });

test("every shader is in the list of src/wgsl/shaders.ts, or of tuner-shaders.ts", () => {
  const folder = fileURLToPath(new URL("../shaders", import.meta.url));
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".wgsl") && !file.startsWith("lib"))
    .map((file) => file.replaceAll("\\", "/").replace(/\.wgsl$/, ""));
  expect(Object.keys(allShaders).sort()).toEqual(files.sort());
});

test("a shader that does not compile is found", async () => {
  await expect(expectCompiles("none", "fn main() { undeclared(); }")).rejects.toThrow(/undeclared/);
});
