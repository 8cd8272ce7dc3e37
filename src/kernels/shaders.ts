/** Every shader by name: the text of shaders/<name>.wgsl. One line each, in alphabetical order. */
export const shaders = {} satisfies Record<string, string>;

export type ShaderName = keyof typeof shaders;
