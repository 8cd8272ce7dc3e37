// A normalised value: (v - mean) * scale + shift, (mean, scale, shift) = affine.
alias Value = f32;             // or a vector of them

fn normalised(v: Value, affine: vec4f) -> Value { return (v - affine.x) * affine.y + affine.z; }
