import { ownShaders, shaders } from "./shaders";

const HEAD = /fn rule_weights\([\s\S]*?\n\}\n/;

/** The part of shaders/step/mix_weights.wgsl that hands over to a rule of one's own; gamma = 0 keeps h to the bit. */
const CALL = `fn rule_weights(rule: u32, g: f32, sums: vec4f) -> vec2f {
  if (g == 0.0) { return vec2f(1.0, 0.0); }
  let norms = sqrt(sums.xy);
  return mix_rule(g, norms.x, norms.y, clamp(sums.z / max(norms.x * norms.y, 1e-30), -1.0, 1.0));
}
`;

/** Whether a text defines the function that a mixing rule is. */
export const definesRule = (wgsl: string): boolean => /\bfn\s+mix_rule\s*\(/.test(wgsl);

/** Makes a shader of a mixing rule: shaders/step/mix_weights.wgsl with this rule in place of its own. The rule's text
 *  stands first, so that line numbers in errors are its own.
 *  @param wgsl defines `fn mix_rule(gamma: f32, norm_h: f32, norm_content: f32, cosine: f32) -> vec2f`: the weights (a, b)
 *  of h~ = a h + b h_c
 *  @returns the shader's name */
export function ownRuleShader(wgsl: string): string {
  let hash = 0x811c9dc5; // FNV-1a
  for (let i = 0; i < wgsl.length; i++) hash = Math.imul(hash ^ wgsl.charCodeAt(i), 0x01000193) >>> 0;
  const name = `step/mix_weights/own-${hash.toString(16)}-${wgsl.length}`;
  ownShaders.set(name, `${wgsl.trimEnd()}\n${shaders["step/mix_weights"].replace(HEAD, CALL)}`);
  return name;
}
