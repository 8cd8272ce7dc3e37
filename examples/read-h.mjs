// h as numbers: how alike two pictures are to the network, at every time step of their inversions.
//   node examples/read-h.mjs A.png B.png [STEPS]
import { loadModel } from "injectfusion";

const [a, b, steps = "50"] = process.argv.slice(2);
const model = await loadModel();
const inverted = await model.invert([a, b], { steps: Number(steps) });
try {
  for (const t of inverted.times) {
    const h = await inverted.readH(t); // f32 [2, channels, height, width], one after the other
    const size = h.length / 2;
    let [dot, normA, normB] = [0, 0, 0];
    for (let i = 0; i < size; i++) {
      dot += h[i] * h[size + i];
      normA += h[i] ** 2;
      normB += h[size + i] ** 2;
    }
    const cosine = dot / Math.sqrt(normA * normB);
    console.log(`t ${String(t).padStart(3)}  |h| ${Math.sqrt(normA).toFixed(2)}  cosine ${cosine.toFixed(4)}`);
  }
} finally {
  model.dispose();
}
