import convMatrix from "../../shaders/conv/matrix.wgsl";
import convMatrixPatch from "../../shaders/conv/matrix_patch.wgsl";
import convTileHalf from "../../shaders/conv/tile_half.wgsl";
import libTileHalf from "../../shaders/lib/tile_half.wgsl";
import { link } from "./link";
import { library, shaders } from "./shaders";

const linked = (source: string): string => link(source, { ...library, tile_half: libTileHalf });

/** The shaders of variants that only the tuner may choose, by name, linked. kernels/conv/tuner-variants.ts adds them to
 *  `shaders`. */
export const tunerShaders = {
  "conv/matrix": linked(convMatrix),
  "conv/matrix_patch": linked(convMatrixPatch),
  "conv/tile_half": linked(convTileHalf),
};

/** Every shader by name, linked. */
export const allShaders: typeof shaders & typeof tunerShaders = { ...shaders, ...tunerShaders };
