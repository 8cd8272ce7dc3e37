import { UserError } from "../errors";
import { hShape } from "../model/config";
import type { Network } from "../model/network";
import { networkOps } from "../model/ops";

const outputsOf = (network: Network) =>
  network.lower(network.unet(1).graph, networkOps).nodes.map(({ output }) => output);

/** Names of the tensors after which contents can be mixed in, in order. */
export const tapNames = (network: Network): string[] =>
  outputsOf(network)
    .filter(({ shape }) => shape.length === 4)
    .map(({ name }) => name);

/** [C, H, W] of a tensor of the network. @throws UserError for a tap that is not there */
export function tapShape(network: Network, tap: string): readonly [number, number, number] {
  const { h } = network.unet(1);
  if (tap === h) return hShape(network.config);
  const shape = outputsOf(network).find(({ name }) => name === tap)?.shape;
  if (shape?.length !== 4) throw new UserError(`no tap "${tap}" in this network; h is "${h}"`);
  return [shape[1]!, shape[2]!, shape[3]!];
}
