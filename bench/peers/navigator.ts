import type { Device } from "../../src/gpu/device";

/** Gives this process a `navigator.gpu` on the adapter that `openDevice` found before, as peers expect of a browser. On our
 *  own software adapter it checks no bounds, for them as for us.
 *  @returns how to take it away again: Node does not exit while it is there */
export async function installNavigator({ adapterClass }: Device): Promise<() => void> {
  const { create, globals } = await import("webgpu");
  for (const [name, value] of Object.entries(globals))
    if (!(name in globalThis)) Object.assign(globalThis, { [name]: value });
  const features = adapterClass === "software" ? ["enable-dawn-features=disable_robustness"] : [];
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  const { hardwareConcurrency = 2, userAgent = "Node.js" } = globalThis.navigator ?? {};
  const navigator: object = { gpu: create(features), hardwareConcurrency, userAgent, language: "en", platform: "node" };
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true, writable: true });
  copySharedWrites();
  return () => {
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else Reflect.deleteProperty(globalThis, "navigator");
  };
}

/** onnxruntime writes from its wasm memory, which is shared between threads; Node's Dawn takes no shared memory. */
function copySharedWrites(): void {
  const { prototype } = GPUQueue;
  const write = prototype.writeBuffer;
  prototype.writeBuffer = function (buffer, offset, data, ...range) {
    const view = ArrayBuffer.isView(data) ? data : undefined;
    const memory: ArrayBufferLike = view ? view.buffer : (data as ArrayBufferLike);
    if (!(memory instanceof SharedArrayBuffer)) return write.call(this, buffer, offset, data, ...range);
    const elementBytes = (view as { BYTES_PER_ELEMENT?: number } | undefined)?.BYTES_PER_ELEMENT ?? 1;
    const [from = 0, count] = range;
    const bytes = new Uint8Array(memory, view?.byteOffset ?? 0, view?.byteLength ?? memory.byteLength);
    const end = count === undefined ? bytes.length : (from + count) * elementBytes;
    return write.call(this, buffer, offset, bytes.slice(from * elementBytes, end));
  };
}
