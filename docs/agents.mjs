// Writes AGENTS.md and llms.txt from the guides and package.json, so that they cannot fall behind:
//   node docs/agents.mjs
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (file) => readFileSync(join(root, file), "utf8");

/** The part of a page below one heading. */
function section(page, heading) {
  const text = read(page);
  const start = text.indexOf(`\n## ${heading}\n`);
  if (start < 0) throw new Error(`${page}: no section "${heading}"`);
  const body = text.slice(start + heading.length + 5);
  return body.slice(0, /\n## /.exec(body)?.index ?? body.length).trim();
}

/** Title of a page, and the first sentence of its first paragraph. */
function abstract(page) {
  const text = read(page);
  const title = /^# (.*)$/m.exec(text)[1];
  const paragraph = text.split(/\n\n+/).find((block) => /^(?!```)[A-Z"`]/.test(block)) ?? title;
  const [sentence] = /^.*?\.(?=\s|$)/s.exec(paragraph.replace(/\s+/g, " ")) ?? [paragraph];
  return { title, sentence: sentence.replace(/\[([^\]]+)\]\([^)]*\)/g, "$1") };
}

/** The guides in the order of their names. */
const guides = () =>
  readdirSync(join(root, "docs"))
    .filter((file) => file.endsWith(".md"))
    .sort()
    .map((file) => `docs/${file}`)
    .concat("docs/scale/README.md");

const listed = (page) => {
  const { title, sentence } = abstract(page);
  return `- [${title}](${page}): ${sentence}`;
};

/** Files by name, as this script writes them. */
export function generated() {
  const { scripts, description, engines } = JSON.parse(read("package.json"));
  const commands = Object.keys(scripts)
    .filter((name) => !/^(?:pre|setup)/.test(name))
    .map((name) => `\`npm ${name === "test" || name === "start" ? name : `run ${name}`}\``);
  const note = "Written by `node docs/agents.mjs` from the guides: edit those instead.";
  const agents = [
    "# For coding agents",
    note,
    `${description}\n\nNode \`${engines.node}\`.`,
    "## Commands",
    section("CONTRIBUTING.md", "Commands"),
    `All scripts: ${commands.join(", ")}.`,
    "## Habits",
    section("CONTRIBUTING.md", "Habits"),
    "## Rooms",
    section("docs/architecture.md", "Rooms"),
    "## Guides",
    ["CONTRIBUTING.md", ...guides()].map(listed).join("\n"),
  ];
  const llms = [
    "# InjectFusion on WebGPU",
    `> ${description}`,
    note,
    "## Use",
    section("README.md", "Use it in three lines"),
    "## Guides",
    ["README.md", ...guides()].map(listed).join("\n"),
    "## Optional",
    ["CONTRIBUTING.md", "CHANGELOG.md", "weights/README.md", "bench/README.md"].map(listed).join("\n"),
  ];
  return { "AGENTS.md": `${agents.join("\n\n")}\n`, "llms.txt": `${llms.join("\n\n")}\n` };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href)
  for (const [file, text] of Object.entries(generated())) writeFileSync(join(root, file), text);
