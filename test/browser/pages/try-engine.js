/** Opens a device and loads the small model beside this page; if asked to, inverts a picture drawn on an OffscreenCanvas
 *  and evaluates the network. The library is handed in: pages, workers and bundlers each import it their own way. */
export async function tryEngine({ openDevice, loadModel }, { run = false } = {}) {
  const device = await openDevice();
  const model = await loadModel(new URL("/tiny.safetensors", self.location.href), { device, resolution: 16 });
  const { resolution } = model;
  if (!run) {
    device.destroy();
    return { resolution };
  }
  const canvas = new OffscreenCanvas(16, 16);
  const context = canvas.getContext("2d");
  context.fillStyle = "rgb(200 100 50)";
  context.fillRect(0, 0, 16, 16);
  const inversion = await model.invert(canvas, { steps: 2 });
  const [pixels] = await inversion.toPixels();
  const x = Float32Array.from({ length: 3 * 16 * 16 }, (_, i) => Math.sin(i));
  const { eps } = await model.forward(x, 500);
  device.destroy();
  return { resolution, eps: [...eps], pixel: [...pixels.data.slice(0, 4)] };
}
