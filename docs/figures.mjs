// Makes every figure of docs/figures/ on the shipped model, and the page that says which command made it.
//   npm run figures                all
//   npm run figures -- sweep       those whose names begin so
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const figures = join("docs", "figures");
const scratch = join("out", "figures");
const example = (n) => `weights/examples/portrait-0${n}.png`;
const pair = `--content ${example(2)} --original ${example(1)}`;
/** Few, so that all figures take a quarter of an hour on a software adapter. */
const few = "--steps-inversion 10 --steps 10";
const folders = `--contents ${scratch}/contents --originals ${scratch}/originals`;

/** The paper's ablation: every mixing rule over the same pairs, measured. */
const rules = ["replace", "add", "lerp", "slerpRaw", "slerp"];
const ruleGrid = (rule) => `grid ${folders} --gamma 0.5 --rule ${rule} ${few} --out ${scratch}/rule-${rule} --replace`;

/** [file, command line after "injectfusion", what there is to see] */
const list = [
  [
    "strip.png",
    `inject ${pair} --gamma 0.5 ${few} --out ${scratch}/result.png --strip ${figures}/strip.png`,
    "Content injection",
  ],
  [
    "sweep-gamma.png",
    `sweep ${pair} --gamma 0:0.8:5 ${few} --out ${figures}/sweep-gamma.png --animation ${figures}/sweep-gamma.webp`,
    "The share of the content, gamma",
  ],
  [
    "sweep-omega.png",
    `sweep ${pair} --omega 0,0.3,1,off --gamma 0.5 ${few} --out ${figures}/sweep-omega.png`,
    "Latent calibration, omega",
  ],
  [
    "sweep-t-edit.png",
    `sweep ${pair} --t-edit 800,400,0 --gamma 0.5 ${few} --out ${figures}/sweep-t-edit.png`,
    "The end of the injected interval, t_edit",
  ],
  [
    "sweep-t-boost.png",
    `sweep ${pair} --t-boost 0,200,400 --gamma 0.5 ${few} --out ${figures}/sweep-t-boost.png`,
    "Quality boosting, t_boost",
  ],
  [
    "compare-rules.png",
    `compare ${pair} --gamma 0.5 ${few} --out ${figures}/compare-rules.png`,
    "Mixing rules, with and without calibration and boosting",
  ],
  [
    "compare-taps.png",
    `compare ${pair} --of taps --taps mid.block_1,mid.block_2,up.3.block.0 ${few} --out ${figures}/compare-taps.png`,
    "Beyond the paper: injection at other taps",
  ],
  [
    "compare-schedules.png",
    `compare ${pair} --of schedules ${few} --out ${figures}/compare-schedules.png`,
    "Beyond the paper: gamma schedules over t",
  ],
  [
    "local.png",
    `inject ${pair} --gamma 0.6 --mask ${scratch}/left.png ${few} --out ${scratch}/local-result.png --strip ${figures}/local.png`,
    "Local injection, left half only",
  ],
  [
    "two-contents.png",
    `inject --content ${example(2)} --content ${example(3)} --mask ${scratch}/left.png --mask ${scratch}/right.png --gamma 0.5 --gamma 0.5 --original ${example(1)} ${few} --out ${scratch}/two-result.png --strip ${figures}/two-contents.png`,
    "Two contents, a half of the picture each",
  ],
  [
    "blend.png",
    `inject --content ${example(2)} --content ${example(3)} --gamma 0.3 --gamma 0.3 --original ${example(1)} ${few} --out ${scratch}/blend-result.png --strip ${figures}/blend.png`,
    "Beyond the paper: a blend of two contents",
  ],
  [
    "omega-region.png",
    `inject ${pair} --gamma 0.6 --omega 1 --no-rescale --omega-region 0=${scratch}/left.png ${few} --out ${scratch}/omega-result.png --strip ${figures}/omega-region.png`,
    "Beyond the paper: omega by region, 0 (inject strongest) in the left half and 1 (hold the original) in the right",
  ],
  ["grid.png", ruleGrid("slerp"), "Every content into every original"],
  [
    "correlation.svg",
    `correlate --images ${scratch}/drawn --steps-inversion 10 --out ${scratch}/correlation`,
    "|h| and |g| over 12 drawings",
  ],
  ["samples.png", `sample --count 8 --steps 20 --out ${figures}/samples.png`, "Pictures from noise"],
];

const ablation = [
  ...rules.map(ruleGrid),
  `evaluate ${rules.map((rule) => `--results ${scratch}/rule-${rule}`).join(" ")} --originals ${scratch}/originals --contents ${scratch}/contents --model-features`,
];

/** What a figure leaves elsewhere and where it belongs. */
const copies = {
  "grid.png": join(scratch, "rule-slerp", "sheet.png"),
  "correlation.svg": join(scratch, "correlation", "correlation.svg"),
};

async function inputs() {
  rmSync(scratch, { recursive: true, force: true });
  for (const folder of ["contents", "originals"]) mkdirSync(join(scratch, folder), { recursive: true });
  mkdirSync(figures, { recursive: true });
  for (const n of [2, 3]) copyFileSync(example(n), join(scratch, "contents", `portrait-0${n}.png`));
  for (const n of [1, 4]) copyFileSync(example(n), join(scratch, "originals", `portrait-0${n}.png`));
  const drawn = Array.from({ length: 12 }, (_, i) => i).join(",");
  const draw = [
    "esbuild.mjs",
    "weights/portraits/draw.ts",
    "--seed",
    "900",
    "--pick",
    drawn,
    "--examples",
    join(scratch, "drawn"),
  ];
  mkdirSync(join(scratch, "drawn"), { recursive: true });
  execFileSync(process.execPath, draw, { stdio: "inherit" });
  const { default: sharp } = await import("sharp");
  const white = await sharp({ create: { width: 32, height: 64, channels: 3, background: "white" } })
    .png()
    .toBuffer();
  const half = (left) =>
    sharp({ create: { width: 64, height: 64, channels: 3, background: "black" } }).composite([
      { input: white, left, top: 0 },
    ]);
  await half(0).png().toFile(join(scratch, "left.png"));
  await half(32).png().toFile(join(scratch, "right.png"));
}

process.chdir(root);
const wanted = process.argv.slice(2);
await inputs();
const isWanted = (file) => wanted.length === 0 || wanted.some((name) => file.startsWith(name));
const run = (command) => {
  console.error(`\ninjectfusion ${command}`);
  return execFileSync(process.execPath, ["dist/cli.js", ...command.split(" ")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
};
for (const [file, command] of list) {
  if (!isWanted(file)) continue;
  run(command);
  if (copies[file]) copyFileSync(copies[file], join(figures, file));
}
if (isWanted("ablation.txt")) {
  const [table] = ablation.map(run).slice(-1);
  writeFileSync(join(figures, "ablation.txt"), table);
}
const page = list.map(
  ([file, command, title]) => `## ${title}\n\n![${title}](${file})\n\n\`\`\`\ninjectfusion ${command}\n\`\`\`\n`,
);
const commands = ablation.map((command) => `injectfusion ${command}`).join("\n");
page.push(
  `## The ablation of mixing rules\n\n[ablation.txt](ablation.txt): means over the pairs; columns as in [experiments](../experiments.md).\n\n\`\`\`\n${commands}\n\`\`\`\n`,
);
writeFileSync(
  join(figures, "README.md"),
  `# Figures\n\nMade by \`npm run figures\` on the shipped model; its inputs are drawn into \`${scratch}\`.\n\n${page.join("\n")}`,
);
