/** A shader followed by every library file that its line `// import a, b` names (shaders/lib/a.wgsl), each once. WGSL looks
 *  names up in the whole module, so the order does not matter, and line numbers in errors stay those of the shader's file.
 *  A library file may import others.
 *  @throws Error for a library file that does not exist */
export function link(source: string, library: Readonly<Record<string, string>>): string {
  const parts = new Map<string, string>();
  const visit = (text: string): void => {
    for (const [, list] of text.matchAll(/^\/\/ import (.+)$/gm))
      for (const name of list!.split(", ")) {
        if (parts.has(name)) continue;
        const part = library[name];
        if (part === undefined) throw new Error(`there is no shaders/lib/${name}.wgsl`);
        parts.set(name, part);
        visit(part);
      }
  };
  visit(source);
  return [source, ...parts.values()].join("\n");
}
