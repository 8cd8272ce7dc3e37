// A grid of workgroups that grid1d folds into two dimensions, since one may hold 65535 workgroups at most.
struct Grid {
  @builtin(workgroup_id) wg: vec3u,
  @builtin(num_workgroups) count: vec3u,
}

// Index of the workgroup.
fn flat(at: Grid) -> u32 { return at.wg.y * at.count.x + at.wg.x; }

fn ceil_div(a: u32, b: u32) -> u32 { return (a + b - 1u) / b; }
