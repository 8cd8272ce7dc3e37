// Weights stored as f32, or as pairs of f16, in words.
const PER_WORD: u32 = 1u;      // weights in a word: 1 (f32) or 2 (f16)
alias Four = array<u32, 4u / PER_WORD>;   // four weights

// Weight i, which lies in `word`.
fn unpacked(word: u32, i: u32) -> f32 {
  if (PER_WORD == 2u) {
    let pair = unpack2x16float(word);
    return select(pair.x, pair.y, i % 2u == 1u);           // an index would not become a constant on the software adapter
  }
  return bitcast<f32>(word);
}

// Four may be f32, too: words by their bits.
fn unpacked4(v: Four) -> vec4f {
  if (PER_WORD == 2u) { return vec4f(unpack2x16float(bitcast<u32>(v[0])), unpack2x16float(bitcast<u32>(v[1]))); }
  return vec4f(
    bitcast<f32>(v[0]), bitcast<f32>(v[1]), bitcast<f32>(v[2 % (4u / PER_WORD)]), bitcast<f32>(v[3 % (4u / PER_WORD)]));
}
