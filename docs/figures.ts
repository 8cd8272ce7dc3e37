// Makes every figure of docs/figures/ on the shipped model, and the page that says which command made it.
//   npm run figures                          all
//   npm run figures -- sweep grid            those whose names begin so; the page keeps the others
//   npm run figures -- --steps 4             quick and rough
//   npm run figures -- anime                 what is made only where it is named: its model is a download of 61 MB
//   npm run figures -- anime --anime FILE    the same from a copy of that model's model.json
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import sharp from "sharp";
import { drawPortrait, sampleFactors } from "../weights/portraits/portrait";
import { measured } from "./measured";

const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { steps: { type: "string" }, anime: { type: "string" } },
});
const figures = join("docs", "figures");
const scratch = join("out", "figures");
const example = (n: number) => `weights/examples/portrait-0${n}.png`;
const [original, content, other] = [example(4), example(2), example(7)];
const pair = `--content ${content} --original ${original}`;
const both = `--content ${content} --content ${other} --original ${original}`;
const steps = values.steps ?? "20";
const few = `--steps-inversion ${steps} --steps ${steps}`;
/** What `start` and the demo use. DDIM in so few steps would leave a pattern, and in 50 take more than twice as long. */
const fast = `--preset fast${values.steps ? ` ${few}` : ""}`;
const folders = `--contents ${scratch}/contents --originals ${scratch}/originals`;
const halves = { left: `${scratch}/left.png`, right: `${scratch}/right.png` };
const chin = `${scratch}/chin.png`;

/** The paper's ablation, worst first: mixing rules over the same pairs, measured. */
const rules = ["replace", "lerp", "slerp"];
const ruleFolder = (rule: string) => `${scratch}/rules/${rule}`;
const ruleGrid = (rule: string) =>
  `grid ${folders} --gamma 0.5 --rule ${rule} ${fast} --batch 8 --out ${ruleFolder(rule)}`;
const ablation = [
  ...rules.map(ruleGrid),
  `evaluate ${rules.map((rule) => `--results ${ruleFolder(rule)}`).join(" ")} ${folders} --portrait-features --ordered`,
];

interface Figure {
  readonly file: string;
  readonly title: string;
  /** command line after "injectfusion" */
  readonly command: string;
  /** command lines that have to run before it */
  readonly before?: readonly string[];
  /** made only where its name is given */
  readonly named?: boolean;
  /** where the command leaves the figure, when not in its place; a PNG for a figure in WebP */
  readonly from?: string;
  /** result whose halves are measured: against the original, and these contents */
  readonly result?: string;
  readonly contents?: readonly string[];
}

const strip = (name: string, title: string, options: string, contents = [content]): Figure => ({
  file: `${name}.png`,
  title,
  command: `inject ${options} ${fast} --out ${scratch}/${name}.png --strip ${figures}/${name}.png`,
  result: `${scratch}/${name}.png`,
  contents,
});
const sheet = (file: string, title: string, command: string): Figure => ({
  file,
  title,
  command: `${command} ${fast} --out ${figures}/${file}`,
});

const animeFaces = [1, 2].map((seed) => ({ seed, file: `${scratch}/anime-${seed}.png` }));

const list: readonly Figure[] = [
  strip("strip", "Content injection", `${pair} --gamma 0.45`),
  sheet(
    "sweep-gamma.png",
    "The share of the content, gamma",
    `sweep ${pair} --gamma 0:0.8:5 --animation ${figures}/sweep-gamma.webp`,
  ),
  sheet("sweep-omega.png", "Latent calibration, omega", `sweep ${pair} --omega 0,0.3,1,off --gamma 0.45`),
  sheet(
    "sweep-t-edit.png",
    "The end of the injected interval, t_edit",
    `sweep ${pair} --t-edit 800,500,300,100 --gamma 0.45 --t-boost 0`,
  ),
  sheet(
    "sweep-t-boost.png",
    "Quality boosting, t_boost",
    `sweep ${pair} --t-boost 0,30,100,300 --t-edit 300 --gamma 0.45`,
  ),
  sheet("compare-rules.png", "Mixing rules, with and without calibration and boosting", `compare ${pair} --gamma 0.5`),
  strip(
    "local",
    "Local injection, from the nose down only",
    `--content ${other} --original ${original} --gamma 0.6 --mask ${chin}`,
    [other],
  ),
  strip(
    "two-contents",
    "Two contents, a half of the picture each, with a gamma each",
    `${both} --mask ${halves.left} --mask ${halves.right} --gamma 0.6 --gamma 0.4`,
    [content, other],
  ),
  sheet(
    "compare-taps.png",
    "Beyond the paper: injection at other taps",
    `compare ${pair} --of taps --taps mid.block_1,mid.block_2,up.3.block.0`,
  ),
  sheet("compare-schedules.png", "Beyond the paper: gamma schedules over t", `compare ${pair} --of schedules`),
  strip("blend", "Beyond the paper: a blend of two contents", `${both} --gamma 0.3 --gamma 0.3`, [content, other]),
  strip(
    "omega-region",
    "Beyond the paper: omega by region, 0 (inject strongest) in the left half and 1 (hold the original) in the right",
    `${pair} --gamma 0.6 --omega 1 --no-rescale --omega-region 0=${halves.left}`,
  ),
  {
    file: "grid.png",
    title: "Every content into every original",
    command: ruleGrid("slerp"),
    from: `${ruleFolder("slerp")}/sheet.png`,
  },
  {
    file: "correlation.svg",
    title: "|h| and |g| over 12 drawings: matching skips, others, and after each mixing rule",
    command: `correlate --images ${scratch}/drawn --steps-inversion ${steps} --out ${scratch}/correlation`,
    from: `${scratch}/correlation/correlation.svg`,
  },
  {
    file: "methods.webp",
    title: "Methods of inversion: what comes back at gamma 0, and what injection does",
    command: `compare ${pair} --of methods --preset quick ${few} --out ${scratch}/methods.png`,
    from: `${scratch}/methods.png`,
  },
  {
    file: "direction.webp",
    title: "A direction in h: the mean of drawings with dark glasses less that without",
    before: [
      `directions --with ${scratch}/glasses --without ${scratch}/plain ${fast} --out ${scratch}/glasses.safetensors`,
    ],
    command: `inject --original ${example(4)} --direction ${scratch}/glasses.safetensors --scale -3:3:7 ${fast} --out ${scratch}/direction.png`,
    from: `${scratch}/direction.png`,
  },
  {
    file: "samples.png",
    title: "Pictures from noise",
    command: `sample --count 8 --steps ${2 * Number(steps)} --eta 1 --out ${figures}/samples.png`,
  },
  {
    file: "anime-taps.webp",
    title: "A model that nobody here made: its own samples, injected at the bottleneck and further up",
    command: `compare --model anime64 --content ${animeFaces[0]!.file} --original ${animeFaces[1]!.file} --of taps --taps mid.block_2,up.3.attn.2,up.2.attn.0 --gamma 0.6 --solver dpm++2m ${few} --out ${scratch}/anime-taps.png`,
    from: `${scratch}/anime-taps.png`,
    before: animeFaces.map(({ seed, file }) => `sample --model anime64 --seed ${seed} --eta 1 --out ${file}`),
    named: true,
  },
];

/** Twelve held-out drawings, three of them originals and three contents; six others with dark glasses and without; masks of
 *  the two halves, and from the nose down. */
async function inputs(): Promise<void> {
  rmSync(scratch, { recursive: true, force: true });
  for (const folder of ["contents", "originals", "drawn", "rules", "glasses", "plain"])
    mkdirSync(join(scratch, folder), { recursive: true });
  const picked = Array.from({ length: 12 }, (_, i) => i).join(",");
  const draw = `esbuild.mjs weights/portraits/draw.ts --seed 900 --pick ${picked} --examples ${join(scratch, "drawn")}`;
  execFileSync(process.execPath, draw.split(" "), { stdio: "inherit" });
  const drawn = readdirSync(join(scratch, "drawn")).sort();
  for (const [folder, names] of [
    ["originals", drawn.slice(0, 3)],
    ["contents", drawn.slice(3, 6)],
  ] as const)
    for (const name of names) copyFileSync(join(scratch, "drawn", name), join(scratch, folder, name));
  const side = 64;
  for (const [folder, glasses] of [
    ["glasses", "sunglasses"],
    ["plain", "none"],
  ] as const)
    for (let i = 0; i < 6; i++) {
      const data = drawPortrait({ ...sampleFactors(900_000_000 + i), glasses }, side);
      await sharp(data, { raw: { width: side, height: side, channels: 4 } })
        .png()
        .toFile(join(scratch, folder, `${i}.png`));
    }
  const masks: readonly [string, (i: number) => boolean][] = [
    [halves.left, (i) => i % side < side / 2],
    [halves.right, (i) => i % side >= side / 2],
    [chin, (i) => i >= 0.6 * side * side],
  ];
  for (const [file, white] of masks) {
    const data = Uint8Array.from({ length: side * side }, (_, i) => (white(i) ? 255 : 0));
    await sharp(data, { raw: { width: side, height: side, channels: 1 } })
      .png()
      .toFile(file);
  }
}

function run(written: string): string {
  const command = values.anime ? written.replace("--model anime64", `--model anime64=${values.anime}`) : written;
  console.error(`\ninjectfusion ${command}`);
  const began = performance.now();
  const replace = /^(?:evaluate|info)/.test(command) ? [] : ["--replace"]; // figures are made anew
  const out = execFileSync(process.execPath, ["dist/cli.js", ...command.split(" "), ...replace], {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
  });
  console.error(`${((performance.now() - began) / 1000).toFixed(0)} s`);
  return out;
}

const isWanted = (file: string, named = false) =>
  (wanted.length === 0 && !named) || wanted.some((name) => file.startsWith(name));

/** What the commands said, kept beside the figures so that a partial run can write the whole page. */
const notesFile = join(figures, "notes.json");
const notes: Record<string, string> = existsSync(notesFile) ? JSON.parse(readFileSync(notesFile, "utf8")) : {};

function page(): string {
  const made = list.filter(({ file }) => existsSync(join(figures, file)));
  const parts = made.map(({ file, title, before = [], command }) => {
    const note = notes[file] ? `\n${notes[file]}\n` : "";
    const commands = [...before, command].map((line) => `injectfusion ${line}`).join("\n");
    return `## ${title}\n\n![${title}](${file})\n${note}\n\`\`\`\n${commands}\n\`\`\`\n`;
  });
  if (notes.ablation) {
    const commands = ablation.map((command) => `injectfusion ${command}`).join("\n");
    const text = `The hypothesis, from the paper: replacing h is worst, lerp lies between, slerp is best. What was found:`;
    parts.push(
      `## The ablation of mixing rules\n\n${text}\n\n\`\`\`\n${notes.ablation}\`\`\`\n\nColumns as in [experiments](../experiments.md).\n\n\`\`\`\n${commands}\n\`\`\`\n`,
    );
  }
  return `# Figures\n\nMade by \`npm run figures\` on the shipped model; its inputs are drawn into \`${scratch}\`.\n\n${parts.join("\n")}`;
}

mkdirSync(figures, { recursive: true });
await inputs();
for (const { file, named, before = [], command, from, result, contents } of list) {
  if (!isWanted(file, named)) continue;
  for (const line of [...before, command]) run(line);
  if (from && file.endsWith(".webp"))
    await sharp(from)
      .resize({ width: 1000, withoutEnlargement: true })
      .webp({ quality: 85, effort: 6 })
      .toFile(join(figures, file));
  else if (from) copyFileSync(from, join(figures, file));
  if (result && contents) notes[file] = await measured(result, original, contents);
}
if (isWanted("ablation")) notes.ablation = ablation.map(run).at(-1)!;
writeFileSync(notesFile, `${JSON.stringify(notes, null, 1)}\n`);
writeFileSync(join(figures, "README.md"), page());
