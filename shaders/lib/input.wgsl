// The input of a pointwise kernel.   x: f32 [N, COUNT], or as the shader says
// import blocks
@group(0) @binding(0) var<storage, read> x: array<Block>;
