// The peers are installed by the benchmark itself, so the compiler may not find them; as little of them as is used.
declare module "@tensorflow/tfjs-core" {
  const core: object;
  export = core;
}
declare module "@tensorflow/tfjs-backend-webgpu" {}
declare module "protobufjs" {
  const protobuf: object;
  export default protobuf;
}
