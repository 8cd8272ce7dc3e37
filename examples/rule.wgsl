// A mixing rule of your own: the weights (a, b) of  h~ = a h + b h_content.
// Here the part of the content that points the way h does is left out, and only what is new is added.
fn mix_rule(gamma: f32, norm_h: f32, norm_content: f32, cosine: f32) -> vec2f {
  let scale = norm_h / max(norm_content, 1e-6); // the content at the norm of h
  let b = gamma * scale;
  let a = 1.0 - gamma * cosine; // takes b's projection on h away again
  return vec2f(a, b) / sqrt(1.0 + gamma * gamma * (1.0 - cosine * cosine)); // and keeps the norm of h
}
