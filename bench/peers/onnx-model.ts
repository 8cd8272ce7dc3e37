import type { Graph } from "../../src/graph/graph";
import type { NetworkOp } from "../../src/model/ops";
import { interpret, type Ops, type Weight, type Weights } from "./interpret";
import { requirePeer } from "./packages";

/** The part of protobufjs that is used. */
interface Protobuf {
  readonly Root: {
    fromJSON(json: object): {
      lookupType(name: string): {
        fromObject(value: object): object;
        encode(message: object): { finish(): Uint8Array };
      };
    };
  };
}

const field = (type: string, id: number, rule?: "repeated") => ({ type, id, ...(rule && { rule }) });

/** The messages of onnx.proto that these models need, with their field numbers. */
const schema = {
  nested: {
    Model: {
      fields: {
        irVersion: field("int64", 1),
        producerName: field("string", 2),
        graph: field("Graph", 7),
        opsetImport: field("OperatorSet", 8, "repeated"),
      },
    },
    OperatorSet: { fields: { domain: field("string", 1), version: field("int64", 2) } },
    Graph: {
      fields: {
        node: field("Node", 1, "repeated"),
        name: field("string", 2),
        initializer: field("Tensor", 5, "repeated"),
        input: field("ValueInfo", 11, "repeated"),
        output: field("ValueInfo", 12, "repeated"),
      },
    },
    Node: {
      fields: {
        input: field("string", 1, "repeated"),
        output: field("string", 2, "repeated"),
        name: field("string", 3),
        opType: field("string", 4),
        attribute: field("Attribute", 5, "repeated"),
      },
    },
    Attribute: {
      fields: {
        name: field("string", 1),
        f: field("float", 2),
        i: field("int64", 3),
        s: field("bytes", 4),
        ints: field("int64", 8, "repeated"),
        type: field("int32", 20),
      },
    },
    Tensor: {
      fields: {
        dims: field("int64", 1, "repeated"),
        dataType: field("int32", 2),
        name: field("string", 8),
        rawData: field("bytes", 9),
      },
    },
    ValueInfo: { fields: { name: field("string", 1), type: field("Type", 2) } },
    Type: { fields: { tensorType: field("TensorType", 1) } },
    TensorType: { fields: { elemType: field("int32", 1), shape: field("Shape", 2) } },
    Shape: { fields: { dim: field("Dimension", 1, "repeated") } },
    Dimension: { fields: { dimValue: field("int64", 1) } },
  },
};

const FLOAT = 1;
const INT64 = 7;
const OPSET = 17;

type AttributeValue = number | string | readonly number[];

/** ONNX's AttributeProto: floats are given as { f }, since a number alone is an integer. */
function attribute(name: string, value: AttributeValue | { readonly f: number }): object {
  if (typeof value === "number") return { name, i: value, type: 2 };
  if (typeof value === "string") return { name, s: new TextEncoder().encode(value), type: 3 };
  if ("f" in value) return { name, f: value.f, type: 1 };
  return { name, ints: value, type: 7 };
}

const valueInfo = (name: string, shape: readonly number[]): object => ({
  name,
  type: { tensorType: { elemType: FLOAT, shape: { dim: shape.map((dimValue) => ({ dimValue })) } } },
});

/** Collects nodes as torch.onnx would write them: group norm is an InstanceNormalization between two reshapes. */
class OnnxOps implements Ops<string> {
  readonly nodes: object[] = [];
  readonly inputs: object[] = [];
  readonly #initializers = new Map<string, object>();
  #count = 0;

  get initializers(): object[] {
    return [...this.#initializers.values()];
  }

  node(
    opType: string,
    input: readonly string[],
    attributes: Readonly<Record<string, AttributeValue | { f: number }>> = {},
    outputs = 1,
  ): string[] {
    const name = `${opType}_${this.#count++}`;
    const output = Array.from({ length: outputs }, (_, i) => `${name}/${i}`);
    const list = Object.entries(attributes).map(([key, value]) => attribute(key, value));
    this.nodes.push({ name, opType, input, output, attribute: list });
    return output;
  }

  #one(...given: Parameters<OnnxOps["node"]>): string {
    return this.node(...given)[0]!;
  }

  #initializer(name: string, dims: readonly number[], data: Float32Array | BigInt64Array): string {
    const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const dataType = data instanceof Float32Array ? FLOAT : INT64;
    this.#initializers.set(name, { name, dims, dataType, rawData });
    return name;
  }

  #weight({ key, shape, data }: Weight, dims = shape): string {
    return this.#initializer(`${key}[${dims}]`, dims, data);
  }

  #floats(dims: readonly number[], ...values: number[]): string {
    return this.#initializer(
      `float ${values.length} x ${values[0]}[${dims}] ${values}`,
      dims,
      Float32Array.from(values),
    );
  }

  #ints(...values: number[]): string {
    return this.#initializer(`int64 ${values}`, [values.length], BigInt64Array.from(values, BigInt));
  }

  #reshape(x: string, ...shape: number[]): string {
    return this.#one("Reshape", [x, this.#ints(...shape)]);
  }

  input(name: string, shape: readonly number[]): string {
    this.inputs.push(valueInfo(name, shape));
    return name;
  }
  concat(a: string, b: string): string {
    return this.#one("Concat", [a, b], { axis: 1 });
  }
  add(a: string, b: string): string {
    return this.#one("Add", [a, b]);
  }
  silu(x: string): string {
    return this.#one("Mul", [x, this.#one("Sigmoid", [x])]);
  }
  slice(x: string, from: number, count: number): string {
    return this.#one("Slice", [x, this.#ints(from), this.#ints(from + count), this.#ints(1)]);
  }
  addRow(x: string, row: string): string {
    return this.add(x, this.#reshape(row, 0, -1, 1, 1));
  }
  linear(x: string, weight: Weight, bias: Weight): string {
    return this.#one("Gemm", [x, this.#weight(weight), this.#weight(bias)], { transB: 1 });
  }
  conv(x: string, weight: Weight, bias: Weight, o: { stride: number; pads: readonly number[] }): string {
    const side = weight.shape[2]!;
    return this.#one("Conv", [x, this.#weight(weight), this.#weight(bias)], {
      kernel_shape: [side, side],
      strides: [o.stride, o.stride],
      pads: o.pads,
    });
  }
  groupNorm(x: string, gamma: Weight, beta: Weight, o: Parameters<Ops<string>["groupNorm"]>[3]): string {
    const [n, c, h, w] = o.shape;
    const ones = this.#floats([o.groups], ...Array<number>(o.groups).fill(1));
    const zeros = this.#floats([o.groups], ...Array<number>(o.groups).fill(0));
    const grouped = this.#reshape(x, n, o.groups, -1);
    const normal = this.#one("InstanceNormalization", [grouped, ones, zeros], { epsilon: { f: o.eps } });
    const shaped = this.#reshape(normal, n, c, h, w);
    const scaled = this.#one("Mul", [shaped, this.#weight(gamma, [c, 1, 1])]);
    return this.add(scaled, this.#weight(beta, [c, 1, 1]));
  }
  attention(qkv: string, [n, c, h, w]: Parameters<Ops<string>["attention"]>[1]): string {
    const flat = this.#reshape(qkv, n, 3 * c, h * w);
    const [q, k, v] = this.node("Split", [flat, this.#ints(c, c, c)], { axis: 1 }, 3) as [string, string, string];
    const turn = (t: string) => this.#one("Transpose", [t], { perm: [0, 2, 1] });
    const scores = this.#one("Mul", [this.#one("MatMul", [turn(q), k]), this.#floats([], c ** -0.5)]);
    const weights = this.#one("Softmax", [scores], { axis: -1 });
    return this.#reshape(turn(this.#one("MatMul", [weights, turn(v)])), n, c, h, w);
  }
  upsample2x(x: string): string {
    return this.#one("Resize", [x, "", this.#floats([4], 1, 1, 2, 2)], {
      mode: "nearest",
      coordinate_transformation_mode: "asymmetric",
      nearest_mode: "floor",
    });
  }
}

/** A graph as an ONNX file: inputs by their names, one output "y". */
export function onnxModel(graph: Graph<NetworkOp>, weights: Weights, outputShape: readonly number[]): Uint8Array {
  const ops = new OnnxOps();
  const y = interpret(graph, ops, weights);
  ops.nodes.push({ name: "output", opType: "Identity", input: [y], output: ["y"], attribute: [] });
  const Model = requirePeer<Protobuf>("protobufjs").Root.fromJSON(schema).lookupType("Model");
  const message = Model.fromObject({
    irVersion: 8,
    producerName: "injectfusion bench",
    opsetImport: [{ domain: "", version: OPSET }],
    graph: {
      name: "bench",
      node: ops.nodes,
      initializer: ops.initializers,
      input: ops.inputs,
      output: [valueInfo("y", outputShape)],
    },
  });
  return Model.encode(message).finish();
}
