// A group of the channels of [x, skip].
// import group_affine, joined
struct Group {
  n: u32,                      // sample
  start: u32,                  // first channel
  channels: u32,
  in_x: u32,                   // of them; the rest are the skip's
  x0: u32,                     // where it begins in x and in skip
  skip0: u32,
}

fn group_at(id: u32) -> Group {
  let channels = (C1 + C2) / GROUPS;
  let n = id / GROUPS;
  let start = id % GROUPS * channels;
  let in_x = min(max(C1, start) - start, channels);
  return Group(n, start, channels, in_x, (n * C1 + start) * PLANE, (skip_start(n) + max(C1, start) - C1) * PLANE);
}
