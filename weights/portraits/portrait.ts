/** Draws a portrait from its factors: background, hair behind, body, head, face, hair in front, glasses, light, paint. */
import {
  arc,
  type Canvas,
  ellipse,
  fill,
  flat,
  inFrame,
  intersect,
  newCanvas,
  outline,
  rampOf,
  roundBox,
  type Shape,
  smoothstep,
  stroke,
  type Tone,
  union,
} from "./canvas";
import { type Factors, mixRgb, type Rgb } from "./factors";
import { finish } from "./paint";

export { contentFactors, type Factors, mixFactors, sampleFactors, styleFactors } from "./factors";

/** What several parts of the face need to know. */
interface Face {
  readonly f: Factors;
  /** the head's outline */
  readonly head: Shape;
  /** light on the head's rounded surface, blown up by a factor for hair */
  readonly lit: (swell: number) => Tone;
  /** x of a point of the head at this longitude (radians), turned by yaw */
  readonly east: (longitude: number) => number;
  /** y of a point of the head at this latitude, turned by pitch */
  readonly south: (latitude: number) => number;
  /** how much a feature at this longitude is foreshortened */
  readonly facing: (longitude: number) => number;
}

/** RGBA bytes, row by row, `size * size * 4` of them. */
export function drawPortrait(f: Factors, size = 64): Uint8ClampedArray<ArrayBuffer> {
  const page = newCanvas(size);
  const head = inFrame(page, f.offsetX, f.offsetY, f.tilt, f.scale);
  const body = inFrame(page, f.offsetX * 0.6, f.offsetY * 0.7, 0, f.scale);
  const face = faceOf(f);
  drawBackground(page, f);
  drawShadowOnWall(head, face);
  drawBackHair(head, face);
  drawBody(body, face);
  drawHead(head, face);
  drawBeard(head, face);
  drawFeatures(head, face);
  drawFrontHair(head, face);
  drawGlasses(head, face);
  return finish(page, f);
}

function faceOf(f: Factors): Face {
  const { headWidth: a, headHeight: b } = f;
  const head: Shape = (x, y) => {
    const low = Math.max(0, y / b);
    const w = a * (1 - (0.1 + 0.24 * f.jaw) * low * low);
    return (Math.hypot(x / w, y / b) - 1) * a;
  };
  const lx = Math.cos(f.lightAngle) * f.lightSide;
  const ly = Math.sin(f.lightAngle) * f.lightSide;
  const lz = Math.sqrt(Math.max(0, 1 - lx * lx - ly * ly));
  const lit = (swell: number): Tone => {
    return (x, y) => {
      const nx = x / (a * swell);
      const ny = y / (b * swell);
      const nz = Math.sqrt(Math.max(0.02, 1 - nx * nx - ny * ny));
      return f.lightStrength * (1.5 * (nx * lx + ny * ly + nz * lz) - 0.72);
    };
  };
  return {
    f,
    head,
    lit,
    east: (longitude) => a * Math.sin(longitude + f.yaw),
    south: (latitude) => b * Math.sin(latitude + f.pitch),
    facing: (longitude) => Math.cos(longitude + f.yaw),
  };
}

function drawBackground(page: Canvas, f: Factors): void {
  const dx = Math.cos(f.lightAngle);
  const dy = Math.sin(f.lightAngle);
  const middle = mixRgb(f.background, f.backgroundEnd, 0.5);
  const ramp = {
    shadow: mixRgb(f.backgroundEnd, [0, 0, 0], 0.15),
    base: middle,
    light: mixRgb(f.background, f.light, 0.2),
  };
  fill(page, () => -1, ramp, { tone: (x, y) => 0.8 * (x * dx + y * dy) });
}

function drawShadowOnWall(canvas: Canvas, { f, head }: Face): void {
  const dx = -Math.cos(f.lightAngle) * 0.12 * f.lightSide;
  const dy = -Math.sin(f.lightAngle) * 0.12 * f.lightSide;
  const dark = flat(mixRgb(f.backgroundEnd, [0, 0, 0.05], 0.75));
  fill(canvas, (x, y) => head(x - dx, y - dy) - 0.12, dark, { opacity: 0.35 * f.lightStrength, edge: 0.4 });
}

function drawBackHair(canvas: Canvas, { f, lit }: Face): void {
  const { headWidth: a, headHeight: b, hairVolume: v } = f;
  const ramp = rampOf(f.hairColour, f.light);
  const dim: Tone = (x, y) => lit(1.35)(x, y) - 0.35;
  const turn = -f.yaw * 0.12;
  if (f.hair === "bob") {
    const r = a * (1.22 + 0.14 * v);
    fill(canvas, roundBox(turn, 0, r, b * (0.95 + 0.12 * v), r * 0.75), ramp, { tone: dim });
  } else if (f.hair === "long") {
    const r = a * (1.2 + 0.2 * v);
    const fall: Shape = (x, y) => roundBox(turn, 0.28, r * (1 + 0.16 * y), 1.0, r * 0.9)(x, y);
    fill(canvas, fall, ramp, { tone: dim });
  } else if (f.hair === "afro") {
    const r = a * (1.42 + 0.25 * v);
    fill(canvas, ellipse(turn, -0.24 * b, r, r * 1.02), ramp, { tone: lit(1.7) });
  } else if (f.hair === "curly") {
    const r = a * (1.24 + 0.16 * v);
    const curls: Shape = (x, y) => {
      const angle = Math.atan2(y + 0.1, x - turn);
      return Math.hypot(x - turn, (y + 0.1) / 1.14) - r * (1 + 0.06 * Math.cos(10 * angle));
    };
    fill(canvas, curls, ramp, { tone: lit(1.5) });
  } else if (f.hair === "bun") {
    const r = 0.17 + 0.09 * v;
    fill(canvas, ellipse(turn * 2, -b - r * 0.55, r * 1.1, r), ramp, {
      tone: (x, y) => lit(1)(((x - turn * 2) * a) / r, ((y + b + r * 0.55) * b) / r),
    });
  }
}

function drawBody(canvas: Canvas, { f }: Face): void {
  const { headWidth: a, headHeight: b } = f;
  const skin = rampOf(f.skin, f.light);
  const lx = Math.cos(f.lightAngle) * f.lightSide;
  const side: Tone = (x, y) => f.lightStrength * (0.9 * lx * x - 0.35 * (y - 0.9) - 0.1);
  const shoulders = ellipse(0, 1.32, 0.95, 0.58);
  const neck = roundBox(0, b + 0.12, a * 0.46, 0.4, 0.08);
  const opening = ellipse(0, 0.72, a * 0.56, 0.16);
  fill(canvas, shoulders, rampOf(f.cloth, f.light), { tone: side });
  if (f.collar === "vee") {
    const vee: Shape = (x, y) => (Math.abs(x) * 1.5 + y - 1.08) / 1.8;
    fill(canvas, intersect(shoulders, vee), rampOf(f.accent, f.light), { tone: side });
    fill(
      canvas,
      intersect(shoulders, (x, y) => vee(x, y + 0.1)),
      skin,
      { tone: (x, y) => side(x, y) - 0.2 },
    );
  } else fill(canvas, opening, skin, { tone: (x, y) => side(x, y) - 0.3 });
  fill(canvas, neck, skin, { tone: (x, y) => side(x, y) - 0.75 * f.lightStrength * smoothstep(1.0, 0.6, y) });
  if (f.collar === "shirt") {
    const flap = (s: number) => stroke(s * a * 0.58, 0.74, s * 0.14, 0.96, 0.075);
    fill(canvas, union(flap(-1), flap(1)), rampOf(mixRgb(f.accent, [1, 1, 1], 0.35), f.light), { tone: side });
  }
}

function drawHead(canvas: Canvas, { f, head, lit, facing }: Face): void {
  const skin = rampOf(f.skin, f.light);
  const { headWidth: a } = f;
  for (const s of [-1, 1]) {
    const seen = smoothstep(-0.5, 0.25, facing(s * Math.PI * 0.5));
    if (seen > 0) {
      const x = s * (a + 0.01) - f.yaw * 0.1;
      const ear = ellipse(x, 0.02 + f.pitch * 0.2, 0.085 * (0.5 + 0.5 * seen), 0.13);
      fill(canvas, ear, skin, { tone: (u, v) => lit(1)(u, v) - 0.25 });
    }
  }
  fill(canvas, head, skin, { tone: lit(1) });
}

function drawFeatures(canvas: Canvas, face: Face): void {
  const { f, east, south, facing, lit } = face;
  const skin = rampOf(f.skin, f.light);
  const blush = flat(mixRgb(f.skin, [0.85, 0.2, 0.2], 0.5));
  for (const s of [-1, 1]) {
    const cheek = ellipse(east(s * 0.62), south(0.32), 0.13 * Math.max(0.3, facing(s * 0.62)), 0.09);
    fill(canvas, cheek, blush, { opacity: 0.4, edge: 0.14 });
  }
  for (const s of [-1, 1]) drawEye(canvas, face, s);
  const tip = f.headWidth * 1.25 * Math.sin(f.yaw);
  const length = 0.05 + 0.05 * f.noseSize;
  const bridge = stroke(east(0), south(-0.02), tip, south(0.2) + length, 0.03 + 0.02 * f.noseSize);
  const away = f.yaw + 0.3 * Math.cos(f.lightAngle) > 0 ? -1 : 1;
  fill(canvas, (x, y) => bridge(x - away * 0.035, y), flat(skin.shadow), { opacity: 0.38, edge: 0.07 });
  fill(canvas, bridge, skin, { tone: (x, y) => lit(1)(x, y) + 0.25, edge: 0.06 });
  const ball = ellipse(tip, south(0.22) + length, 0.06 + 0.03 * f.noseSize, 0.04 + 0.015 * f.noseSize);
  fill(canvas, ball, skin, { tone: (x, y) => lit(1)(x, y) - 0.28 });
  drawMouth(canvas, face);
}

function drawEye(canvas: Canvas, { f, east, south, facing }: Face, s: number): void {
  const longitude = s * 0.46;
  const narrow = Math.max(0.35, facing(longitude));
  const x = east(longitude);
  const y = south(-0.06);
  const w = (0.088 + 0.03 * f.eyeSize) * narrow;
  const h = 0.052 + 0.03 * f.eyeSize;
  const look = f.yaw * 0.05;
  fill(canvas, ellipse(x, y, w + 0.022, h + 0.02), flat(mixRgb(f.skin, [0.08, 0.04, 0.05], 0.72)));
  fill(canvas, ellipse(x, y + 0.008, w, h), flat([0.97, 0.96, 0.94]));
  fill(canvas, ellipse(x + look, y + 0.004, Math.min(w, 0.058), h * 0.95), flat(f.iris));
  fill(canvas, ellipse(x + look, y + 0.004, 0.03, 0.034), flat([0.05, 0.04, 0.06]));
  const browY = y - h - 0.075 - 0.05 * f.browHeight;
  const brow = arc(x, browY, 0.13 * narrow, -0.025, -s * f.browTilt * 0.3, 0.022);
  fill(canvas, brow, flat(mixRgb(mixRgb(f.hairColour, [0.1, 0.06, 0.05], 0.5), f.skin, 0.1)));
}

function drawMouth(canvas: Canvas, { f, east, south }: Face): void {
  const x = east(0) * 1.1;
  const y = south(0.62);
  const half = (0.15 + 0.05 * Math.max(0, f.smile)) * Math.cos(f.yaw);
  const sag = 0.085 * f.smile;
  const lip: Rgb = mixRgb(mixRgb(f.skin, [0.75, 0.12, 0.18], 0.6), [0.2, 0, 0.05], 0.2);
  if (f.mouthOpen > 0) {
    const depth = 0.045 + 0.07 * f.mouthOpen;
    const hole: Shape = (u, v) => {
      const k = Math.max(-1, Math.min(1, (u - x) / half));
      const middle = y + sag * 0.7 * (1 - k * k);
      return (Math.hypot((u - x) / half, (v - middle) / depth) - 1) * depth;
    };
    fill(canvas, (u, v) => hole(u, v) - 0.025, flat(lip));
    fill(canvas, hole, flat([0.25, 0.05, 0.08]));
    const teeth: Shape = (_u, v) => v - (y + sag * 0.5 - depth * 0.15);
    fill(canvas, intersect(hole, teeth), flat([0.96, 0.94, 0.9]));
  } else {
    fill(canvas, arc(x, y - sag * 0.5, half, sag, 0, 0.026), flat(lip));
  }
}

function drawBeard(canvas: Canvas, { f, head, lit, east, south }: Face): void {
  const ramp = rampOf(mixRgb(f.hairColour, [0.12, 0.07, 0.05], 0.15), f.light);
  const tone = lit(1.08);
  const x = east(0);
  const lipY = south(0.62);
  if (f.beard === "moustache" || f.beard === "full") {
    const half = 0.2 * Math.cos(f.yaw);
    fill(canvas, arc(x * 1.12, lipY - 0.06, half, -0.05, 0, 0.042), ramp, { tone });
  }
  if (f.beard === "goatee") fill(canvas, ellipse(x, south(0.62) + 0.19, 0.14, 0.12), ramp, { tone });
  if (f.beard === "full") {
    const above: Shape = (u, v) => {
      const k = (u - x) / f.headWidth;
      return lipY + 0.06 - 0.36 * smoothstep(0.25, 1.05, Math.abs(k)) - v;
    };
    const grown: Shape = (u, v) => head(u, v * 0.95) - 0.02;
    fill(canvas, intersect(grown, above), ramp, { tone });
  }
}

/** y of the hairline at x: how far the hair in front comes down. */
function hairline(f: Factors): (x: number) => number {
  const { headWidth: a, headHeight: b, hairSide: s } = f;
  const shift = f.yaw * 0.32;
  const up = f.pitch * 0.5;
  const side = (k: number, from: number, to: number) => from * b + (to - from) * b * smoothstep(0.62, 1.0, Math.abs(k));
  return (x) => {
    const k = (x - shift) / a;
    switch (f.hair) {
      case "fringe":
        return up + side(k, -0.36, 0.02);
      case "parted":
        return up + side(k, -0.52 + 0.2 * Math.tanh(s * k * 2.5), 0.1);
      case "bob":
        return up + side(k, -0.38, 0.5);
      case "long":
        return (
          up -
          0.62 * b +
          1.1 * b * smoothstep(0.42, 1.0, Math.abs(k + 0.1 * s)) +
          0.18 * b * smoothstep(0, 0.5, Math.abs(k + 0.1 * s))
        );
      case "afro":
      case "curly":
        return up + side(k, -0.5, 0.0) + 0.03 * b * Math.cos(9 * k);
      case "bun":
        return up + side(k, -0.6, -0.1);
      default:
        return up + side(k, -0.55, -0.02);
    }
  };
}

function drawFrontHair(canvas: Canvas, { f, head, lit }: Face): void {
  if (f.hair === "bald") return;
  const { headHeight: b, hairVolume: v } = f;
  const line = hairline(f);
  const thick = f.hair === "bun" ? 0.03 : f.hair === "short" ? 0.03 + 0.06 * v : 0.06 + 0.06 * v;
  const crown: Shape = (x, y) => head(x, y + 0.03) - thick;
  const hair = intersect(crown, (x, y) => (y - line(x)) * 0.75);
  const ramp = rampOf(f.hairColour, f.light);
  const shine: Tone = (x, y) => lit(1.18)(x, y) + 0.35 * Math.exp(-(((y + 0.72 * b) / 0.11) ** 2)) - 0.1;
  fill(canvas, (x, y) => hair(x, y - 0.035), flat(rampOf(f.skin, f.light).shadow), { opacity: 0.35, edge: 0.1 });
  fill(canvas, hair, ramp, { tone: shine });
  if (f.hair === "beanie") drawBeanie(canvas, f, crown, lit(1.2));
  if (f.hair === "hat") drawHat(canvas, f, lit(1.3));
}

function drawBeanie(canvas: Canvas, f: Factors, crown: Shape, tone: Tone): void {
  const wool = rampOf(f.accent, f.light);
  const edge = -0.42 * f.headHeight + f.pitch * 0.4;
  const bend = (x: number) => edge + 0.12 * x * x;
  const cap: Shape = (x, y) => Math.max(crown(x, y * 0.92) - 0.05, y - bend(x));
  const band: Shape = (x, y) => Math.max(crown(x, y) - 0.07, Math.abs(y - bend(x)) - 0.085);
  fill(canvas, cap, wool, { tone });
  fill(canvas, band, rampOf(mixRgb(f.accent, [1, 1, 1], 0.3), f.light), { tone: (x, y) => tone(x, y) - 0.1 });
}

function drawHat(canvas: Canvas, f: Factors, tone: Tone): void {
  const { headWidth: a, headHeight: b, hairVolume: v } = f;
  const felt = rampOf(f.accent, f.light);
  const y = -0.52 * b + f.pitch * 0.4;
  const tall = 0.24 + 0.14 * v;
  const crown = roundBox(0, y - tall * 0.75, a * 0.92, tall, 0.16);
  fill(canvas, crown, felt, { tone });
  fill(
    canvas,
    intersect(crown, (_, v2) => Math.abs(v2 - y + 0.09) - 0.055),
    rampOf(f.cloth, f.light),
    { tone },
  );
  fill(canvas, ellipse(0, y + 0.01, a * 1.5, 0.1), felt, { tone: (x, w) => tone(x * 0.6, w) - 0.15 });
}

function drawGlasses(canvas: Canvas, { f, east, south, facing }: Face): void {
  if (f.glasses === "none") return;
  const y = south(-0.05) + 0.01;
  const [left, right] = [-1, 1].map((s) => ({
    x: east(s * 0.46) * 1.03,
    w: 0.165 * Math.max(0.45, facing(s * 0.46)),
  })) as [{ x: number; w: number }, { x: number; w: number }];
  const lens = ({ x, w }: { x: number; w: number }): Shape =>
    f.glasses === "round" ? ellipse(x, y, w, 0.155) : roundBox(x, y + 0.01, w * 1.08, 0.12, 0.045);
  const lenses = union(lens(left), lens(right));
  const dark = f.glasses === "sunglasses";
  const frame: Rgb = mixRgb(f.accent, [0.06, 0.05, 0.08], dark ? 0.85 : 0.6);
  const arms = union(
    stroke(left.x - left.w, y - 0.03, -f.headWidth - 0.02, y - 0.05, 0.018),
    stroke(right.x + right.w, y - 0.03, f.headWidth + 0.02, y - 0.05, 0.018),
    arc((left.x + right.x) / 2, y - 0.02, Math.max(0.03, (right.x - right.w - left.x - left.w) / 2), -0.02, 0, 0.02),
  );
  if (dark) {
    const glass = { shadow: mixRgb(frame, [0, 0, 0], 0.4), base: frame, light: mixRgb(frame, f.background, 0.55) };
    fill(canvas, lenses, glass, { tone: (x, w) => 0.3 - (w - y) * 6 - (x - f.offsetX) * 0.5 });
  } else fill(canvas, lenses, flat([1, 1, 1]), { opacity: 0.16 });
  fill(canvas, union(outline(lenses, 0.021), arms), flat(frame));
}
