// Group norm from partial sums, for any adapter: lib/group_norm says of what.
// partials: vec4f [N, CHANNELS, LANES] = (pivot, mean - pivot, sum of (v - mean)^2, count), of norm/partials.
// A lane merges the partials of a group pairwise (Chan et al. 1983), with means relative to the first pivot. Trees with
// barriers cost more than they save: 900 us against 23 for 32 groups on the software adapter.
// A task is a group.
// import group_norm, film, lanes
const WG: u32 = 4u;
override CHANNELS: u32;        // uniform
override LANES: u32;           // uniform

@group(0) @binding(4) var<storage, read> partials: array<vec4f>;

fn task(id: u32) {
  let n = id / GROUPS;
  let group = id % GROUPS;
  let per_group = CHANNELS / GROUPS;
  let first = (n * CHANNELS + group * per_group) * LANES;
  var p = partials[first];
  let pivot = p.x;
  var offset = p.y;            // mean - pivot
  var squares = p.z;
  var count = p.w;
  for (var i = 1u; i < per_group * LANES; i++) {
    p = partials[first + i];
    let d = (p.x - pivot) + (p.y - offset);
    let part = p.w / (count + p.w);
    offset += d * part;
    squares += p.z + d * d * count * part;
    count += p.w;
  }
  let moments = centred(pivot, offset, squares / count);
  for (var c = group * per_group; c < (group + 1u) * per_group; c++) { write_norm(n, c, CHANNELS, moments); }
}
