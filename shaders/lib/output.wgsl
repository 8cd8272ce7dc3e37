// What a step reads besides its scalars: x: f32 [N, COUNT], and the network's output, eps: f32 [N or more, EPS_COUNT], of which
// the first COUNT values of each sample count. WIDE divides EPS_COUNT, too.
// import pointwise, step_row
override EPS_COUNT: u32;       // uniform

@group(0) @binding(1) var<storage, read> x: array<Block>;
@group(0) @binding(2) var<storage, read> eps: array<Block>;

// Block i of sample n of eps.
fn eps_at(n: u32, i: u32) -> u32 { return n * (EPS_COUNT / WIDE) + i; }
