/** Writes a tiny ONNX file: y = conv 1x1 of x [N, 3, H, W], and z = its mean over places.   onnx.proto, opset 13 */
export function tinyOnnx(weight: readonly number[], channels: number): Uint8Array {
  const output = (name: string, dims: readonly (number | string)[]) => valueInfo(name, dims);
  const graph = message(
    [1, node("Conv", ["x", "w"], ["y"])],
    [1, node("GlobalAveragePool", ["y"], ["z"])],
    [2, text("tiny")],
    [5, tensor("w", [channels, 3, 1, 1], weight)],
    [11, valueInfo("x", ["N", 3, "H", "W"])],
    [12, output("y", ["N", channels, "H", "W"])],
    [12, output("z", ["N", channels, 1, 1])],
  );
  return message([1, 8], [7, graph], [8, message([1, text("")], [2, 13])]);
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const node = (type: string, inputs: readonly string[], outputs: readonly string[]): Uint8Array =>
  message(...inputs.map((name): Field => [1, text(name)]), ...outputs.map((name): Field => [2, text(name)]), [
    4,
    text(type),
  ]);

const tensor = (name: string, dims: readonly number[], values: readonly number[]): Uint8Array =>
  message(
    ...dims.map((dim): Field => [1, dim]),
    [2, 1],
    [8, text(name)],
    [9, new Uint8Array(Float32Array.from(values).buffer)],
  );

function valueInfo(name: string, dims: readonly (number | string)[]): Uint8Array {
  const shape = message(...dims.map((d): Field => [1, message(typeof d === "number" ? [1, d] : [2, text(d)])]));
  return message([1, text(name)], [2, message([1, message([1, 1], [2, shape])])]);
}

/** A protobuf field: a number is a varint, bytes are length-delimited. */
type Field = readonly [field: number, value: number | Uint8Array];

function message(...fields: readonly Field[]): Uint8Array {
  const bytes: number[] = [];
  const varint = (value: number) => {
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
    bytes.push(rest);
  };
  for (const [field, value] of fields) {
    varint(field * 8 + (typeof value === "number" ? 0 : 2));
    varint(typeof value === "number" ? value : value.length);
    if (typeof value !== "number") for (const byte of value) bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}
