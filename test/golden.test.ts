import { test } from "vitest";
import { expectCase, goldenCases } from "./support/golden-cases";

test.each(goldenCases)("golden: %s", { timeout: 300_000 }, (name, from) => expectCase(name, from));
