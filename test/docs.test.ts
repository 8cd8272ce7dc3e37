import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { generated } from "../docs/agents.mjs";

// The guides: links lead somewhere, lines are short, and what they say to type exists.
const root = fileURLToPath(new URL("..", import.meta.url));
const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], { cwd: root });
const pages = listed
  .toString()
  .trim()
  .split("\n")
  .filter((page) => existsSync(join(root, page)));
const read = (page: string) => readFileSync(join(root, page), "utf8");

/** Addresses of links and pictures, without those of other hosts. */
const linksOf = (text: string) =>
  [...text.matchAll(/\]\(([^)\s#]+)[^)]*\)|^\[[^\]]+\]: (\S+)|(?:src|srcset|href)="([^"#]+)"/gm)]
    .map(([, link, reference, attribute]) => (link ?? reference ?? attribute)!)
    .filter((link) => !/^[a-z]+:/i.test(link));

test.each(pages)("%s: every link leads to a file", (page) => {
  const broken = linksOf(read(page)).filter((link) => !existsSync(join(root, dirname(page), link)));
  expect(broken).toEqual([]);
});

describe("guides are laid out at 100 columns", () => {
  const later = [
    "docs/checkpoints.md",
    "docs/kernels.md",
    "docs/security.md",
    "docs/software-adapter.md",
    "docs/methods.md",
  ];
  const guides = pages.filter(
    (page) => /^(?:docs\/)?[\w-]+\.md$/.test(page) && ![...later, "AGENTS.md"].includes(page),
  );
  test.each(guides)("%s", (page) => {
    // Tables, headings of links and code may be wider: they do not wrap.
    const prose = read(page)
      .replace(/^```.*?^```/gms, "")
      .split("\n")
      .filter((line) => !/^(?:\||\[|!\[|\s*<)/.test(line));
    expect(prose.filter((line) => line.length > 100)).toEqual([]);
  });
});

test("README links to what the package has, so that it reads as well there", () => {
  const { files } = JSON.parse(read("package.json")) as { files: string[] };
  const present = new RegExp(
    `^(?:README\\.md|LICENSE|package\\.json|${files
      .filter((glob) => !glob.startsWith("!"))
      .map((glob) => `${glob.replaceAll(".", "\\.").replaceAll("*", "[^/]*")}(?:/.*)?`)
      .join("|")})$`,
  );
  const missing = linksOf(read("README.md"))
    .map((link) => normalize(link).replace(/[\\/]$/, ""))
    .filter((link) => !present.test(link) && !(link === "docs" && statSync(join(root, link)).isDirectory()));
  expect(missing).toEqual([]);
});

test("commands that the guides name are scripts of package.json", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const named = pages.flatMap((page) =>
    [...read(page).matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(([, name]) => name!),
  );
  expect([...new Set(named)].filter((name) => !(name in scripts))).toEqual([]);
});

test("AGENTS.md and llms.txt are what the guides make of them: node docs/agents.mjs", () => {
  for (const [file, text] of Object.entries(generated())) expect(read(file), file).toBe(text);
});

test("every public name has a doc comment: npm run docs", () => {
  const typedoc = join(root, "node_modules", "typedoc", "bin", "typedoc");
  const { status, stdout, stderr } = spawnSync(process.execPath, [typedoc, "--emit", "none"], {
    cwd: root,
    encoding: "utf8",
  });
  expect(status, stdout + stderr).toBe(0);
});
