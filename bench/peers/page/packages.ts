// The peers' packages, as ../packages.ts has them in Node: bundled into the page or fetched from beside it.
import * as tfjs from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-webgpu";
import protobuf from "protobufjs";

const bundled: Readonly<Record<string, unknown>> = {
  "@tensorflow/tfjs-core": tfjs,
  "@tensorflow/tfjs-backend-webgpu": {},
  protobufjs: protobuf,
};
/** Set when this is bundled. */
declare const PEER_VERSIONS: Readonly<Record<string, string>>;

export const requirePeer = <T>(name: string): T => bundled[name] as T;

const address = (name: string, path: string): string => `/peers/${name}/${path}`;

export const peerBytes = async (name: string, path: string): Promise<Uint8Array> =>
  new Uint8Array(await (await fetch(address(name, path))).arrayBuffer());

export const importPeer = async <T>(name: string, path: string): Promise<T> =>
  (await import(/* @vite-ignore */ address(name, path))) as T;

export const versionOf = (name: string): string => PEER_VERSIONS[name]!;
