// The sum over the lanes of a workgroup; with COLUMNS > 1, over every COLUMNS-th lane.
// import workgroups
alias Value = f32;             // or a vector of them
const LANES: u32 = 4u;         // power of two; one subgroup on the software adapter, where barriers between more are slow
const COLUMNS: u32 = 1u;       // power of two
var<workgroup> part: array<Value, LANES>;

fn group_sum(local: u32, value: Value) -> Value {
  part[local] = value;
  for (var step = LANES / 2u; step >= COLUMNS; step /= 2u) {
    workgroupBarrier();
    if (local < step) { part[local] += part[local + step]; }
  }
  if (COLUMNS == 1u) { return workgroupUniformLoad(&part[0]); }   // barrier on both sides, so part is free again
  workgroupBarrier();
  let sum = part[local % COLUMNS];
  workgroupBarrier();
  return sum;
}
