// The step rows, f32 [N, STEP_FLOATS], and their columns. src/kernels/step/step-row.ts explains both.
alias Scalar = f32;            // or u32 for the bits
const STEP_FLOATS: u32 = 36u;
const T: u32 = 0u;
const SQRT_ALPHA: u32 = 1u;
const SQRT_ONE_MINUS_ALPHA: u32 = 2u;
const SQRT_ALPHA_NEXT: u32 = 3u;
const DIRECTION: u32 = 4u;
const SIGMA: u32 = 5u;
const OMEGA: u32 = 6u;
const RESCALE: u32 = 7u;
const SEED: u32 = 8u;
const STREAM: u32 = 9u;
const DRAW: u32 = 10u;
const X0_X: u32 = 11u;
const X0_O: u32 = 12u;
const EPS_X: u32 = 13u;
const EPS_O: u32 = 14u;
const CLIP: u32 = 15u;
const GAMMA: u32 = 16u;        // of content 0; others follow
const RULE: u32 = 24u;
const BEFORE: u32 = 32u;
const BACK_SIGNAL: u32 = 33u;
const BACK_NOISE: u32 = 34u;
// Values of RULE.
const SLERP: u32 = 0u;
const SLERP_RAW: u32 = 1u;
const LERP: u32 = 2u;
const ADD: u32 = 3u;
const REPLACE: u32 = 4u;
const ADD_KEPT: u32 = 5u;

@group(0) @binding(0) var<storage, read> steps: array<Scalar>;

fn step_value(n: u32, column: u32) -> Scalar { return steps[n * STEP_FLOATS + column]; }
