/** What a portrait is made of: content factors say what is drawn and where, style factors how it is painted. */
import { around, between, pick, type Random, random } from "./random";

/** Red, green, blue in 0..1. */
export type Rgb = readonly [number, number, number];

export const hairShapes = [
  "bald",
  "short",
  "fringe",
  "parted",
  "bob",
  "long",
  "curly",
  "afro",
  "bun",
  "beanie",
  "hat",
] as const;
export const glassesShapes = ["none", "round", "square", "sunglasses"] as const;
export const beardShapes = ["none", "moustache", "goatee", "full"] as const;
export const collarShapes = ["crew", "vee", "shirt"] as const;
export const textures = ["plain", "brush", "hatch", "poster"] as const;

/** Geometry. Lengths are in half picture sizes, angles in radians; x to the right, y down. */
export interface ContentFactors {
  readonly headWidth: number;
  readonly headHeight: number;
  /** 0 round chin .. 1 pointed */
  readonly jaw: number;
  readonly hair: (typeof hairShapes)[number];
  readonly hairVolume: number;
  /** -1 or 1: the side of a parting or a fringe's slant */
  readonly hairSide: number;
  readonly glasses: (typeof glassesShapes)[number];
  readonly beard: (typeof beardShapes)[number];
  /** -1 sad .. 1 broad smile */
  readonly smile: number;
  /** 0 closed .. 1 wide open */
  readonly mouthOpen: number;
  readonly browTilt: number;
  readonly browHeight: number;
  readonly eyeSize: number;
  readonly noseSize: number;
  readonly yaw: number;
  readonly pitch: number;
  readonly tilt: number;
  readonly scale: number;
  readonly offsetX: number;
  readonly offsetY: number;
  readonly collar: (typeof collarShapes)[number];
}

/** Paint: colours, light, surface. */
export interface StyleFactors {
  readonly skin: Rgb;
  readonly hairColour: Rgb;
  readonly cloth: Rgb;
  readonly accent: Rgb;
  readonly background: Rgb;
  readonly backgroundEnd: Rgb;
  readonly iris: Rgb;
  /** the light's tint; shadows lean to its complement */
  readonly light: Rgb;
  /** direction the light comes from, in the picture plane (radians; -pi/2 is above) */
  readonly lightAngle: number;
  /** 0 from the front .. 1 from the side */
  readonly lightSide: number;
  readonly lightStrength: number;
  readonly texture: (typeof textures)[number];
  readonly textureAngle: number;
  readonly textureStrength: number;
  readonly textureSeed: number;
}

export type Factors = ContentFactors & StyleFactors;

/** The portrait number `seed`. Same seed, same factors. */
export function sampleFactors(seed: number): Factors {
  const r = random(seed);
  return { ...sampleContent(r), ...sampleStyle(r) };
}

function sampleContent(r: Random): ContentFactors {
  return {
    headWidth: around(r, 0.5, 0.06),
    headHeight: around(r, 0.63, 0.05),
    jaw: r(),
    hair: pick(r, {
      bald: 0.7,
      short: 1.3,
      fringe: 1,
      parted: 1.2,
      bob: 1.2,
      long: 1.4,
      curly: 1,
      afro: 0.9,
      bun: 0.9,
      beanie: 0.8,
      hat: 0.8,
    }),
    hairVolume: r(),
    hairSide: r() < 0.5 ? -1 : 1,
    glasses: pick(r, { none: 5, round: 2, square: 2, sunglasses: 1.5 }),
    beard: pick(r, { none: 6, moustache: 1.3, goatee: 1.2, full: 1.8 }),
    smile: between(r, -0.7, 1),
    mouthOpen: r() < 0.6 ? 0 : between(r, 0.25, 1),
    browTilt: between(r, -1, 1),
    browHeight: r(),
    eyeSize: r(),
    noseSize: r(),
    yaw: around(r, 0, 0.32),
    pitch: around(r, 0, 0.12),
    tilt: around(r, 0, 0.06),
    scale: around(r, 1.1, 0.04),
    offsetX: around(r, 0, 0.04),
    offsetY: around(r, 0.03, 0.025),
    collar: pick(r, { crew: 1, vee: 1, shirt: 1 }),
  };
}

const naturalSkin: readonly Rgb[] = [
  [0.99, 0.85, 0.74],
  [0.95, 0.76, 0.62],
  [0.87, 0.65, 0.47],
  [0.72, 0.49, 0.33],
  [0.52, 0.34, 0.23],
  [0.37, 0.23, 0.16],
];
const naturalHair: readonly Rgb[] = [
  [0.1, 0.08, 0.09],
  [0.25, 0.15, 0.1],
  [0.45, 0.27, 0.14],
  [0.72, 0.35, 0.12],
  [0.9, 0.73, 0.4],
  [0.85, 0.84, 0.82],
];

/** Hues are chosen around one key hue, so that a picture has a mood of its own. */
function sampleStyle(r: Random): StyleFactors {
  const key = r();
  const spread = pick(r, { near: 1, split: 1.4, opposite: 1.4 });
  const other = key + { near: 0.1, split: 0.36, opposite: 0.5 }[spread] + around(r, 0, 0.05);
  const dark = r() < 0.35;
  const tinted = r() < 0.14;
  const skin = tinted ? hsl(r(), between(r, 0.35, 0.6), between(r, 0.5, 0.72)) : along(naturalSkin, r());
  const dyed = r() < 0.3;
  const warm = r();
  return {
    skin,
    hairColour: dyed ? hsl(r(), between(r, 0.5, 0.8), between(r, 0.3, 0.6)) : along(naturalHair, r()),
    cloth: hsl(other, between(r, 0.4, 0.85), between(r, 0.28, 0.62)),
    accent: hsl(other + between(r, 0.15, 0.5), between(r, 0.5, 0.85), between(r, 0.35, 0.62)),
    background: hsl(key, between(r, 0.3, 0.8), dark ? between(r, 0.15, 0.32) : between(r, 0.45, 0.82)),
    backgroundEnd: hsl(
      key + around(r, 0, 0.12),
      between(r, 0.3, 0.8),
      dark ? between(r, 0.22, 0.45) : between(r, 0.35, 0.75),
    ),
    iris: hsl(between(r, 0.05, 0.65), between(r, 0.3, 0.6), between(r, 0.2, 0.45)),
    light: [1, 0.93 + 0.07 * (1 - warm) - 0.08 * warm * warm, 0.72 + 0.35 * (1 - warm)],
    lightAngle: -Math.PI / 2 + around(r, 0, 1.3),
    lightSide: between(r, 0.35, 0.95),
    lightStrength: between(r, 0.4, 1),
    texture: pick(r, { plain: 1, brush: 1.5, hatch: 1, poster: 1 }),
    textureAngle: between(r, -1.2, 1.2),
    textureStrength: between(r, 0.25, 0.7),
    textureSeed: Math.floor(r() * 2 ** 31),
  };
}

/** Names of the content factors, in order. */
export const contentFactors = Object.keys(sampleContent(random(0))) as readonly (keyof ContentFactors)[];
/** Names of the style factors, in order. */
export const styleFactors = Object.keys(sampleStyle(random(0))) as readonly (keyof StyleFactors)[];

/** The content of one portrait painted in the style of another. */
export function mixFactors(contentOf: Factors, styleOf: Factors): Factors {
  const style = Object.fromEntries(styleFactors.map((name) => [name, styleOf[name]]));
  return { ...contentOf, ...style } as Factors;
}

/** Hue (any real, period 1), saturation and lightness to red, green, blue. */
export function hsl(hue: number, saturation: number, lightness: number): Rgb {
  const chroma = saturation * Math.min(lightness, 1 - lightness);
  const channel = (n: number) => {
    const k = (((n + hue * 12) % 12) + 12) % 12;
    return lightness - chroma * Math.max(-1, Math.min(k - 3, 9 - k, 1));
  };
  return [channel(0), channel(8), channel(4)];
}

/** A point of a polyline of colours, 0..1 from first to last. */
function along(colours: readonly Rgb[], at: number): Rgb {
  const x = at * (colours.length - 1);
  const i = Math.min(colours.length - 2, Math.floor(x));
  return mixRgb(colours[i]!, colours[i + 1]!, x - i);
}

/** a at 0, b at 1. */
export function mixRgb(a: Rgb, b: Rgb, at: number): Rgb {
  return [a[0] + (b[0] - a[0]) * at, a[1] + (b[1] - a[1]) * at, a[2] + (b[2] - a[2]) * at];
}
