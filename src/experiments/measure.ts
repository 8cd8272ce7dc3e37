import type { Pixels } from "../api";
import type { Embedding, FeatureNetwork } from "../metrics/features";
import { gramDistance } from "../metrics/gram";
import { cosine } from "../metrics/statistics";
import { figuresOf, type Triple, type TripleFigures } from "./evaluate";
import { FeatureCollector, type FeatureSet } from "./feature-sets";

/** The networks asked for, by what they measure. */
export interface Networks {
  readonly fid?: FeatureNetwork;
  readonly gram?: FeatureNetwork;
  readonly identity?: FeatureNetwork;
}

/** One result's figures, as the CSV lists them. */
export interface Row extends TripleFigures {
  readonly set: string;
  readonly gram?: number;
  readonly identity?: number;
}

/** Measurements of a set, or of a part of one. */
export interface Measured {
  readonly rows: Row[];
  readonly features?: FeatureSet | undefined;
}

/** Originals whose feature maps are kept. */
const MOST_LAYERS = 64;

/** Measures the results of one set a few at a time: of those that went by, figures and features stay. */
export class SetMeasurer {
  readonly #rows: Row[] = [];
  readonly #collector: FeatureCollector;
  readonly #known = new Map<FeatureNetwork, Known>();

  /** @param all results that the whole set has */
  constructor(
    readonly set: string,
    all: number,
    readonly networks: Networks,
  ) {
    this.#collector = new FeatureCollector(all);
  }

  /** @param onResult called after each result's figures */
  async add(triples: readonly Triple[], signal: AbortSignal, onResult: () => Promise<void>): Promise<void> {
    const own: TripleFigures[] = [];
    for (const triple of triples) {
      signal.throwIfAborted();
      own.push(figuresOf(triple));
      await onResult();
    }
    const { fid, gram, identity } = this.networks;
    const described = new Map<FeatureNetwork, Embedding[]>();
    for (const network of new Set([fid, gram, identity]))
      if (network) described.set(network, await this.#describe(network, triples, signal));
    if (fid) {
      const known = this.#knownOf(fid).originals;
      const originals = new Map(triples.map(({ keys }) => [keys.original, known.get(keys.original)!]));
      this.#collector.add(
        described.get(fid)!.map(({ vector }) => vector),
        originals,
      );
    }
    own.forEach((row, i) => {
      const { original, content } = triples[i]!.keys;
      this.#rows.push({
        set: this.set,
        ...row,
        ...(gram && { gram: gramDistance(described.get(gram)![i]!.layers, this.#knownOf(gram).layers.get(original)!) }),
        ...(identity && {
          identity: cosine(described.get(identity)![i]!.vector, this.#knownOf(identity).contents.get(content)!),
        }),
      });
    });
    for (const { layers } of this.#known.values())
      for (const oldest of layers.keys()) {
        if (layers.size <= MOST_LAYERS) break;
        layers.delete(oldest);
      }
  }

  measured(): Measured {
    return { rows: this.#rows, features: this.#collector.collected() };
  }

  #knownOf(network: FeatureNetwork): Known {
    const known = this.#known.get(network) ?? { originals: new Map(), layers: new Map(), contents: new Map() };
    this.#known.set(network, known);
    return known;
  }

  /** Looks at the results, and at originals and contents that were not seen yet.
   *  @returns what the network says of the results */
  async #describe(network: FeatureNetwork, triples: readonly Triple[], signal: AbortSignal): Promise<Embedding[]> {
    const { fid, gram, identity } = this.networks;
    const known = this.#knownOf(network);
    const unseen = (side: "original" | "content", isKnown: (key: string) => boolean) =>
      [...new Map(triples.map((triple): [string, Pixels] => [triple.keys[side], triple[side]]))].filter(
        ([key]) => !isKnown(key),
      );
    const needsOriginal = network === fid || network === gram;
    const hasOriginal = (key: string) => (network === gram ? known.layers.has(key) : known.originals.has(key));
    const originals = needsOriginal ? unseen("original", hasOriginal) : [];
    const contents = network === identity ? unseen("content", (key) => known.contents.has(key)) : [];
    const pictures = [
      ...triples.map(({ result }) => result),
      ...[...originals, ...contents].map(([, pixels]) => pixels),
    ];
    const all = await network.embed(pictures, signal);
    const results = all.slice(0, triples.length);
    originals.forEach(([key], i) => {
      const { vector, layers } = all[triples.length + i]!;
      if (network === fid) known.originals.set(key, vector);
      if (network === gram) known.layers.set(key, layers);
    });
    contents.forEach(([key], i) => {
      known.contents.set(key, all[triples.length + originals.length + i]!.vector);
    });
    return results;
  }
}

/** A network's outputs for pictures that several results share. */
interface Known {
  readonly originals: Map<string, Float32Array>;
  readonly layers: Map<string, Embedding["layers"]>;
  readonly contents: Map<string, Float32Array>;
}
