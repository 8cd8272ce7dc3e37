const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
worker.onmessage = ({ data }) => Object.assign(globalThis, { result: data });
worker.onerror = ({ message }) => Object.assign(globalThis, { result: { error: message } });
