import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import vm from "node:vm";
import type { Eyes, Pixels } from "../api";
import { UserError } from "../errors";

/** Longer side of the picture that faces are looked for in: enough for a face a tenth of it. */
const SEARCH_SIDE = 640;
/** Side at which the detector reads it, a multiple of 32. */
const DETECTOR_SIDE = 416;
const LEAST_SCORE = 0.3;

/** Finds the largest face of a picture: its eyes and mouth, in pixels of the file's picture.
 *  @throws UserError where there is no face */
export type FindFace = (picture: Pixels, name: string) => Promise<Eyes>;

/** The part of `@vladmandic/face-api` that is used. */
interface FaceApi {
  readonly tf: {
    env(): { setPlatform(name: string, platform: object): void };
    setBackend(name: string): Promise<boolean>;
    ready(): Promise<void>;
    tensor3d(data: Uint8Array, shape: readonly number[], dtype: "int32"): { dispose(): void };
    readonly io: { decodeWeights(data: ArrayBuffer, specs: readonly object[]): object };
  };
  readonly env: { setEnv(env: object): void };
  readonly nets: Readonly<
    Record<"tinyFaceDetector" | "faceLandmark68Net", { loadFromWeightMap(weights: object): void }>
  >;
  readonly TinyFaceDetectorOptions: new (options: object) => object;
  detectAllFaces(input: object, options: object): { withFaceLandmarks(): Promise<Found[]> };
}

type Place = { readonly x: number; readonly y: number };

interface Found {
  readonly detection: { readonly box: { readonly width: number } };
  readonly landmarks: { getLeftEye(): Place[]; getRightEye(): Place[]; getMouth(): Place[] };
}

/** Opens the face finder of the optional package `@vladmandic/face-api`, which brings its models along.
 *  @param places modules from which the package is looked for: the project that runs us, then our own
 *  @throws UserError, saying what to install, where it is missing */
export async function openFaceFinder(
  places: readonly string[] = [join(process.cwd(), "package.json"), import.meta.url],
): Promise<FindFace> {
  const script = packageScript(places);
  const root = dirname(dirname(script));
  const api = await run(script);
  const bytes = vmBytes(api.context);
  const weights = async (name: string) => {
    const file = join(root, "model", `${name}_model`);
    const manifest = JSON.parse(await readFile(`${file}-weights_manifest.json`, "utf8")) as { weights: object[] }[];
    const data = bytes(await readFile(`${file}.bin`));
    return api.face.tf.io.decodeWeights(
      data.buffer as ArrayBuffer,
      manifest.flatMap((part) => part.weights),
    );
  };
  api.face.nets.tinyFaceDetector.loadFromWeightMap(await weights("tiny_face_detector"));
  api.face.nets.faceLandmark68Net.loadFromWeightMap(await weights("face_landmark_68"));
  return (picture, name) => findFace(api.face, bytes, picture, name);
}

/** The package's build for browsers. */
function packageScript(places: readonly string[]): string {
  for (const from of places)
    try {
      return createRequire(from).resolve("@vladmandic/face-api/dist/face-api.js");
    } catch {
      // the next place
    }
  throw new UserError(
    "--align face needs a face finder: npm install @vladmandic/face-api (MIT, 13 MB with its models), or give --eyes",
  );
}

/** Runs the build for browsers in a context of its own. The one for Node would need TensorFlow's native library; this one
 *  carries a TensorFlow in JavaScript, and takes itself for a browser's where it sees no `process`. */
async function run(script: string): Promise<{ face: FaceApi; context: vm.Context }> {
  const context = vm.createContext({
    console,
    performance,
    setTimeout,
    clearTimeout,
    TextEncoder,
    TextDecoder,
    btoa,
    atob,
  });
  context.self = context;
  vm.runInContext(await readFile(script, "utf8"), context, { filename: script });
  const face = context.faceapi as FaceApi;
  class Absent {}
  face.env.setEnv({
    Canvas: Absent,
    CanvasRenderingContext2D: Absent,
    Image: Absent,
    ImageData: Absent,
    Video: Absent,
  });
  face.tf.env().setPlatform("bare", {
    now: () => performance.now(),
    encode: (text: string) => new TextEncoder().encode(text),
    decode: (data: Uint8Array) => new TextDecoder().decode(data),
    isTypedArray: (value: unknown) => ArrayBuffer.isView(value) && !(value instanceof DataView),
    setTimeoutCustom: setTimeout,
  });
  await face.tf.setBackend("cpu");
  await face.tf.ready();
  return { face, context };
}

/** Copies bytes into an array of the context, which knows its own arrays only. */
function vmBytes(context: vm.Context): (data: ArrayLike<number>) => Uint8Array {
  const Bytes = vm.runInContext("Uint8Array", context) as Uint8ArrayConstructor;
  return (data) => new Bytes(data);
}

async function findFace(
  face: FaceApi,
  bytes: (data: ArrayLike<number>) => Uint8Array,
  picture: Pixels,
  name: string,
): Promise<Eyes> {
  const { rgb, width, height, scale } = reduced(picture);
  const image = face.tf.tensor3d(bytes(rgb), [height, width, 3], "int32");
  try {
    const options = new face.TinyFaceDetectorOptions({ inputSize: DETECTOR_SIDE, scoreThreshold: LEAST_SCORE });
    const all = await face.detectAllFaces(image, options).withFaceLandmarks();
    const [largest] = all.sort((a, b) => b.detection.box.width - a.detection.box.width);
    if (!largest)
      throw new UserError(`${name}: no face was found; give its eyes (--eyes x1,y1,x2,y2) or a square (--place)`);
    const { landmarks } = largest;
    const middle = (places: readonly Place[]) =>
      (["x", "y"] as const).map((k) => places.reduce((sum, p) => sum + p[k], 0) / places.length / scale);
    const [[x1, y1], [x2, y2], [mx, my]] = [landmarks.getLeftEye(), landmarks.getRightEye(), landmarks.getMouth()].map(
      middle,
    ) as [[number, number], [number, number], [number, number]];
    return { eyes: [x1, y1, x2, y2], mouth: [mx, my] };
  } finally {
    image.dispose();
  }
}

/** A picture as RGB at SEARCH_SIDE pixels a side at most, each the mean of the pixels that fall on it, and its scale against
 *  the file's picture. */
function reduced({ data, width, height, full }: Pixels) {
  const scale = Math.min(1, SEARCH_SIDE / Math.max(width, height));
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  const sums = new Float64Array(4 * w * h);
  for (let y = 0; y < height; y++) {
    const row = Math.min(h - 1, Math.floor((y * h) / height)) * w;
    for (let x = 0; x < width; x++) {
      const to = 4 * (row + Math.min(w - 1, Math.floor((x * w) / width)));
      const from = 4 * (y * width + x);
      for (let k = 0; k < 3; k++) sums[to + k] = sums[to + k]! + data[from + k]!;
      sums[to + 3] = sums[to + 3]! + 1;
    }
  }
  const rgb = new Uint8Array(3 * w * h);
  for (let i = 0; i < w * h; i++)
    for (let k = 0; k < 3; k++) rgb[3 * i + k] = Math.round(sums[4 * i + k]! / sums[4 * i + 3]!);
  return { rgb, width: w, height: h, scale: w / (full?.width ?? width) };
}
