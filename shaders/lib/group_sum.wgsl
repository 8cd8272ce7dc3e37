// The sum over a workgroup.
// import workgroups
alias Value = f32;             // or a vector of them
const LANES: u32 = 4u;         // power of two; one subgroup on the software adapter, where barriers between more are slow
var<workgroup> part: array<Value, LANES>;

fn group_sum(local: u32, value: Value) -> Value {
  part[local] = value;
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (local < step) { part[local] += part[local + step]; }
  }
  return workgroupUniformLoad(&part[0]);   // barrier on both sides, so part is free again
}
