import { expect, test } from "vitest";
import { StagingPool } from "../src/gpu/staging";

const MiB = 2 ** 20;

test("a staging pool hands out again what it was given, keeps 64 MiB, and rounds up nothing that it would not keep", () => {
  const made: { size: number; destroyed: boolean }[] = [];
  const createBuffer = ({ size }: { size: number }) => {
    const buffer = { size, destroyed: false, unmap() {}, destroy: () => void (buffer.destroyed = true) };
    made.push(buffer);
    return buffer;
  };
  const pool = new StagingPool({ createBuffer } as unknown as GPUDevice);
  const small = pool.take(5000);
  expect(small.size).toBe(8192);
  pool.give(small);
  expect(pool.take(8000)).toBe(small);
  expect(pool.take(8000)).not.toBe(small);

  const large = pool.take(100 * MiB);
  expect(large.size).toBe(100 * MiB);
  pool.give(large);
  expect(made.find(({ size }) => size === large.size)!.destroyed).toBe(true);

  const [first, second] = [pool.take(40 * MiB), pool.take(40 * MiB)];
  pool.give(first);
  pool.give(second);
  expect(made.slice(-2)).toMatchObject([{ destroyed: false }, { destroyed: true }]);
  pool.destroy();
  expect(made.at(-2)!.destroyed).toBe(true);
});
