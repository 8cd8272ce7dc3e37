import { UserError } from "../errors";
import { lower } from "../graph/lower";
import { hShape } from "../model/config";
import type { Network } from "../model/network";
import { networkOps } from "../model/ops";
import { similarName } from "../model/similar";
import { type UNet, unet } from "../model/unet";

/** Outputs of all nodes: of none that a target would replace. */
const outputsOf = ({ config, target }: Network) =>
  lower(unet(config, 1).graph, { ...target, folds: false }, networkOps).nodes.map(({ output }) => output);

/** Can contents be mixed in after this tensor? Behind it every tensor is of twice as many samples, and an operation has as
 *  many as its first input: what joins others as a residual only, or is no part of the prediction, is no tap. */
function isTap({ graph, eps }: UNet, tap: string): boolean {
  const doubled = new Set([tap]);
  for (const { inputs, output } of graph.nodes) {
    const [first, ...others] = Object.values(inputs);
    if (doubled.has(first!)) doubled.add(output);
    else if (others.some((name) => doubled.has(name))) return false;
  }
  return tap !== eps && doubled.has(eps);
}

/** Names of the tensors after which contents can be mixed in, in order. */
export function tapNames(network: Network): string[] {
  const net = network.unet(1);
  return outputsOf(network)
    .filter(({ shape, name }) => shape.length === 4 && isTap(net, name))
    .map(({ name }) => name);
}

/** [C, H, W] of a tensor of the network. @throws UserError for a tap that is not there, or where nothing can be injected */
export function tapShape(network: Network, tap: string): readonly [number, number, number] {
  const net = network.unet(1);
  if (tap === net.h) return hShape(network.config);
  const shape = outputsOf(network).find(({ name }) => name === tap)?.shape;
  if (shape?.length === 4 && isTap(net, tap)) return [shape[1]!, shape[2]!, shape[3]!];
  const names = tapNames(network);
  const beside = names.filter((name) => tap.includes(".") && name.startsWith(tap.replace(/[^.]*$/, "")));
  const some = [...new Set([net.h, similarName(tap, names) ?? net.h, ...beside])].slice(0, 6).join(", ");
  throw new UserError(
    `${shape ? `"${tap}" is no tap` : `no tap "${tap}"`} in this network; among its ${names.length} taps are ${some} (Model.taps has all)`,
  );
}
