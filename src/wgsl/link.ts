/** A shader followed by every library file that its line `// import a, b` names (shaders/lib/a.wgsl), each once. WGSL looks
 *  names up in the whole module, so the order does not matter; only directives (`enable`, `diagnostic`) of the library go
 *  before the first line, on the same line. So line numbers in errors stay those of the shader's file. A library file may
 *  import others. Its `alias` and `const` declarations are defaults: it loses those that the shader, or a part before it, has.
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
  const directives = [...parts.values()].flatMap((text) => text.match(DIRECTIVE) ?? []);
  const declared = new Set<string>();
  const texts = [source, ...parts.values()].map((text, i) =>
    (i > 0 ? text.replace(DIRECTIVE, "") : text).replace(DEFAULT, (line, name: string) => {
      const first = !declared.has(name);
      declared.add(name);
      return first ? line : "";
    }),
  );
  return [...directives, texts.join("\n")].join(" ");
}

const DIRECTIVE = /^(?:enable [^;]*;|diagnostic\([^;]*;)/gm;
const DEFAULT = /^(?:alias|const) (\w+)\b.*$/gm;
