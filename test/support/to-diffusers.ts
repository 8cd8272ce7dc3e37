const attention = {
  old: { norm: "group_norm", q: "query", k: "key", v: "value", proj_out: "proj_attn" },
  new: { norm: "group_norm", q: "to_q", k: "to_k", v: "to_v", proj_out: "to_out.0" },
};

/** The diffusers name of a tensor of layout A, written apart from the table in src/model/checkpoint/names.ts.
 *  @param levels of the network: diffusers numbers its up path from the other end
 *  @param spelling of attention, before or after diffusers renamed it */
export function toDiffusers(name: string, levels: number, spelling: "old" | "new"): string {
  return name
    .replace(/^temb\.dense\.([01])\./, (_, k) => `time_embedding.linear_${Number(k) + 1}.`)
    .replace(/^norm_out\./, "conv_norm_out.")
    .replace(/^down\.(\d+)\./, "down_blocks.$1.")
    .replace(/^up\.(\d+)\./, (_, level) => `up_blocks.${levels - 1 - Number(level)}.`)
    .replace(/^mid\.block_([12])\./, (_, k) => `mid_block.resnets.${Number(k) - 1}.`)
    .replace(/^mid\.attn_1\./, "mid_block.attentions.0.")
    .replace(/\.block\.(\d+)\./, ".resnets.$1.")
    .replace(/\.attn\.(\d+)\./, ".attentions.$1.")
    .replace(/\.(down|up)sample\./, ".$1samplers.0.")
    .replace(".temb_proj.", ".time_emb_proj.")
    .replace(".nin_shortcut.", ".conv_shortcut.")
    .replace(
      /(\.attentions\.\d+\.)(\w+)\./,
      (_, path, part: keyof typeof attention.old) => `${path}${attention[spelling][part]}.`,
    );
}
