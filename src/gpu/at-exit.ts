/** Destroys devices that are still at work when the process ends. Its exit frees tables that a driver's threads go on
 *  reading: a pipeline being compiled then ends the process with damage to the heap. To destroy a device waits for them. */
const atWork = new Set<{ readonly gpu: GPUDevice }>();
let listening = false;

/** Has the device destroyed if the process exits before the returned function is called. In browsers it does nothing. */
export function destroyAtExit(gpu: GPUDevice): () => void {
  if (typeof process === "undefined" || typeof process.once !== "function") return () => {};
  if (!listening) process.once("exit", destroyAll);
  listening = true;
  const entry = { gpu };
  atWork.add(entry);
  return () => void atWork.delete(entry);
}

function destroyAll(): void {
  for (const { gpu } of atWork) gpu.destroy();
}
