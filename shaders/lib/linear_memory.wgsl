// Learned keys and values, which join those of the picture.   memory: f32 [2, HEADS, D, MEMORY], keys then values, unless the
// shader says otherwise.
override MEMORY: u32 = 0u;     // uniform: learned positions

@group(0) @binding(2) var<storage, read> memory: array<f32>;
