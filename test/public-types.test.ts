import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Public declarations of an entry, as its users' compilers read them: every exported name with its text in the emitted
 *  declaration files, by name. */
function publicTypes(entries: readonly string[]): Map<string, string> {
  const config = ts.readConfigFile(join(root, "tsconfig.build.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, root);
  const files = entries.map((entry) => join(root, "src", `${entry}.ts`));
  const program = ts.createProgram([...files, join(root, "src", "wgsl.d.ts")], { ...options, noEmit: false });
  const emitted = new Map<string, ts.SourceFile>();
  const keep: ts.WriteFileCallback = (name, text, _, __, sources) => {
    for (const source of sources ?? [])
      emitted.set(source.fileName, ts.createSourceFile(name, text, ts.ScriptTarget.ESNext, true));
  };
  program.emit(undefined, keep, undefined, true);
  const checker = program.getTypeChecker();
  const declared = (symbol: ts.Symbol): string => {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const texts = (target.declarations ?? []).map((declaration) => {
      const file = emitted.get(declaration.getSourceFile().fileName);
      const statements = file?.statements.filter((s) => namesOf(s).includes(target.name)) ?? [];
      return statements.map((s) => s.getFullText().trim()).join("\n");
    });
    return [...new Set(texts)].join("\n");
  };
  return new Map(
    files.map((file, i) => {
      const module = checker.getSymbolAtLocation(program.getSourceFile(file)!)!;
      const exported = checker.getExportsOfModule(module).sort((a, b) => (a.name < b.name ? -1 : 1));
      return [entries[i]!, exported.map((symbol) => `// ${symbol.name}\n${declared(symbol)}`).join("\n\n")];
    }),
  );
}

function namesOf(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map((d) => d.name.getText());
  const { name } = statement as { name?: ts.Node };
  return name ? [name.getText()] : [];
}

test("the public types are those of the snapshot: a break shows here first (accept it with vitest -u)", async () => {
  const types = publicTypes(["node", "browser"]);
  for (const [entry, text] of types) {
    expect(text).not.toMatch(/@internal/);
    expect(text).not.toMatch(/^\/\/ \w+\n$/m); // every export has a declaration
    await expect(`${text}\n`).toMatchFileSnapshot(`./__snapshots__/public-types.${basename(entry)}.txt`);
  }
  const names = (entry: string) => new Set([...types.get(entry)!.matchAll(/^\/\/ (\w+)$/gm)].map(([, name]) => name));
  const onlyInNode = ["PictureLimits"]; // pictures are decoded by the browser there
  expect([...names("node")].filter((name) => !names("browser").has(name))).toEqual(onlyInNode);
  expect([...names("browser")].filter((name) => !names("node").has(name))).toEqual([]);
}, 120_000);
