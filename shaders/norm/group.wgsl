// Group norm in one dispatch for GPUs: a workgroup reads one group. lib/group_norm says what of it is written.
// lib/joined describes x and skip; PLANE % 4 == 0.
// Tasks: N GROUPS.
// import group_norm, film_uniform, group_moments, workgroups
@group(0) @binding(4) var<storage, read> x: array<vec4f>;
@group(0) @binding(5) var<storage, read> skip: array<vec4f>;

fn four(at: Group, i: u32) -> vec4f {
  let in_x = at.in_x * (PLANE / 4u);
  var v: vec4f;
  if (i < in_x) { v = x[at.x0 / 4u + i]; } else { v = skip[at.skip0 / 4u + i - in_x]; }
  return v;
}

fn work(id: u32, local: u32) {
  let at = group_at(id);
  let moments = moments_of(at, local);
  for (var i = local; i < at.channels; i += LANES) { write_norm(at.n, at.start + i, C1 + C2, moments); }
}
