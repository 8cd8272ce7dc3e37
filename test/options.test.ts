import { expect, test } from "vitest";
import { UserError } from "../src/errors";
import { Inversion } from "../src/inject/inversion";
import { type PresetName, presetFor } from "../src/inject/parameters";
import { pictureList, resolveInvert, resolveSample } from "../src/inject/requests";
import { resolveInject } from "../src/inject/resolve";
import { checkLoad } from "../src/load";
import { methodOf } from "../src/model/presets";
import { openDevice } from "../src/node";

const picture = { tensor: new Float32Array(3) };
const inject = (options: object) => resolveInject({ original: picture, content: picture, ...options }, "quick");
const loaded = Object.create(Inversion.prototype) as Inversion;

const refused: [what: string, call: () => unknown, message: string][] = [
  ["a misspelt option", () => inject({ gama: 0.9 }), 'inject: there is no option "gama"; did you mean "gamma"?'],
  ["an option of nothing", () => inject({ zzz: 1 }), 'inject: there is no option "zzz"; its options are original, '],
  ["gamma null", () => inject({ gamma: null }), "gamma null: expected 0 to 1, or a function of the position in [0, 1]"],
  ["gamma as text", () => inject({ gamma: "0.3" }), 'gamma "0.3": expected 0 to 1'],
  ["variants as one", () => inject({ variants: { gamma: 1 } }), "variants an object with gamma: expected a list"],
  ["no variants", () => inject({ variants: [] }), "variants: an empty list"],
  ["a bad variant", () => inject({ variants: [{ gamma: 2 }] }), "gamma 2: expected 0 to 1"],
  ["a mask by name", () => inject({ mask: "left.png" }), 'mask "left.png": expected a mask { values, width, height }'],
  [
    "pixels as mask",
    () => inject({ mask: { data: [], width: 1, height: 1 } }),
    "mask an object with data, width, height",
  ],
  ["content twice", () => inject({ contents: [picture] }), "both content and contents"],
  ["no content", () => inject({ content: undefined }), "no content to inject"],
  ["no original", () => inject({ original: undefined }), "inject: no original"],
  ["original null", () => inject({ original: null }), "original: expected a picture ("],
  ["a number as content", () => inject({ content: 7 }), "content: expected a picture ("],
  ["f32 as content", () => inject({ content: new Float32Array(4) }), "a Float32Array of 4 goes in as { tensor }"],
  ["a promise", () => inject({ content: Promise.resolve(picture) }), "a Promise of a picture; await it first"],
  ["f32 pixels", () => inject({ content: { data: new Float32Array(4), width: 1, height: 1 } }), "expected RGBA bytes"],
  ["an unknown preset", () => inject({ preset: "fasces" }), 'preset "fasces": expected one of fast, quick, paper'],
  ["seed -1", () => inject({ seed: -1 }), "seed -1: expected a whole number from 0 to 4294967295"],
  ["inversions in a list", () => inject({ content: [loaded] }), "a list with an Inversion"],
  ["a content's omega", () => inject({ content: undefined, contents: [{ inversion: picture, omega: 2 }] }), "omega 2"],
  ["a content's option", () => inject({ content: undefined, contents: [{ inversion: picture, gama: 1 }] }), '"gama"'],
  [
    "no options",
    () => resolveInject(undefined as never, "quick"),
    "inject: expected an object of options, got undefined",
  ],
  ["invert nothing", () => pictureList(null as never), "picture: expected a picture"],
  ["invert {}", () => pictureList({} as never), "got an object with nothing"],
  ["invert f32", () => pictureList(new Float32Array(12) as never), "a Float32Array of 12 goes in as { tensor }"],
  ["a tensor of doubles", () => pictureList({ tensor: new Float64Array(3) } as never), "expected a Float32Array"],
  [
    "invert stepz",
    () => resolveInvert({ stepz: 3 } as never, "quick"),
    'invert: there is no option "stepz"; did you mean "steps"?',
  ],
  ["invert top", () => resolveInvert({ top: 1000 }, "quick"), "top 1000: expected a whole number from 1 to 999"],
  ["sample seed -1", () => resolveSample({ seed: -1 }), "seed -1: expected a whole number"],
  ["sample eta", () => resolveSample({ eta: 2 }), "eta 2: expected 0 to 1"],
  ["onStep", () => resolveSample({ onStep: 1 } as never), "onStep 1: expected a function"],
  ["resume", () => resolveSample({ resume: {} } as never), "expected a snapshot"],
  [
    "load nothing",
    () => checkLoad({}, {}),
    "loadModel: expected a model's name, a path, a URL, a Blob, several files or bytes as the source",
  ],
  ["load devise", () => checkLoad("x", { devise: 1 }), 'there is no option "devise"; did you mean "device"?'],
  ["load device", () => checkLoad("x", { device: "gpu" }), 'device "gpu": expected an object'],
];

test.each(refused)("%s is refused in one line", (_, call, message) => {
  let error: unknown;
  try {
    call();
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toContain(message);
  expect((error as Error).message).not.toContain("\n");
});

test("a device that is none is refused", async () => {
  await expect(openDevice({ device: {} as GPUDevice })).rejects.toThrow("device: expected a GPUDevice");
  await expect(openDevice({ powerPreferense: "x" } as never)).rejects.toThrow('no option "powerPreferense"');
});

test("what is given wins over the preset, and the model's own preset over the defaults", () => {
  const of = (options: object, preset: "quick" | "faces" = "faces") =>
    resolveInject({ original: picture, content: picture, ...options }, preset).variants[0]!;
  expect(of({})).toMatchObject({ steps: 1000, stepsInversion: 50, replaceSteps: 50, tBoost: 200, dtLambda: 0.9985 });
  expect(of({ preset: "quick" })).toMatchObject({ steps: 50, tBoost: 0, dtLambda: 1 });
  expect(of({ steps: 20 })).toMatchObject({ steps: 20, replaceSteps: 50 });
  expect(of({ ...of({}, "quick"), gamma: 0.5 })).toEqual({ ...of({}, "quick"), gamma: 0.5 }); // a complete set is one
});

test("a preset that names a solver gives way to a call that does not go with it", () => {
  const of = (...calls: Parameters<typeof presetFor>[1]) => presetFor("fast", calls);
  expect(of({})).toBe("fast");
  expect(of({ gamma: 0.9, steps: 50, tEdit: 400, tBoost: 200, solver: "dpm++2m" })).toBe("fast");
  expect(of({ solver: "ddim" })).toBe("quick");
  expect(of({ method: "bdia" })).toBe("quick");
  expect(of({ faithful: true })).toBe("quick");
  expect(of({ tBoost: 200 })).toBe("quick"); // its tEdit is 100
  expect(of({ tBoost: 0 }, { tBoost: 200 })).toBe("quick"); // one for all variants
  expect(presetFor("faces", [{ solver: "dpm++2m", tBoost: 500 }])).toBe("faces");
});

test("pictures are inverted alike by invert and by inject, whatever the model's own preset", () => {
  const own: PresetName[] = ["fast", "quick", "faces", "paper"];
  for (const preset of own)
    for (const given of [{}, { solver: "ddim" }, { method: "bdia" }, { faithful: true }] as const) {
      const inverted = resolveInvert(given, preset);
      const { stepsInversion, steps, ...run } = resolveInject({ original: picture, content: picture, ...given }, preset)
        .variants[0]!;
      const { tap: _, steps: stepsInverted, ...rest } = inverted;
      expect(run).toMatchObject(rest);
      expect(stepsInverted).toBe("method" in given ? steps : stepsInversion);
    }
});

test("a model's own preset goes by its name", () => {
  expect(["portraits64", "celebahq", "ffhq=own.pt", "own.safetensors"].map(methodOf)).toEqual([
    "fast",
    "faces",
    "faces",
    "quick",
  ]);
  expect([methodOf(), methodOf(new Uint8Array())]).toEqual(["fast", "quick"]);
});

test("pictures and inversions may be mixed, one or several", () => {
  const { original, contents } = inject({
    content: undefined,
    contents: [picture, { inversion: picture, gamma: 0.2 }],
  });
  expect(original).toEqual([picture]);
  expect(contents).toEqual([{ source: [picture] }, { source: [picture], gamma: 0.2 }]);
  expect(inject({ content: ["a.png", "b.png"] }).contents).toEqual([{ source: ["a.png", "b.png"] }]);
});
