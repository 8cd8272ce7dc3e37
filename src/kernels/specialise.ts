import { UserError } from "../errors";

/** A shader ready to compile: its text, and the values of its `override` declarations. */
export interface Specialised {
  readonly code: string;
  readonly overrides: Readonly<Record<string, number>>;
}

/** Sets a shader's constants. A name declared as `override NAME` becomes a pipeline constant; one declared as
 *  `const NAME: TYPE = value;` gets its value replaced in the text, since only a `const` can size a register tile.
 *  @throws UserError for a constant the shader does not declare. */
export function specialise(name: string, source: string, constants: Readonly<Record<string, number>>): Specialised {
  const overrides: Record<string, number> = {};
  let code = source;
  for (const [key, value] of Object.entries(constants)) {
    if (new RegExp(`\\boverride\\s+${key}\\b`).test(code)) {
      overrides[key] = value;
      continue;
    }
    const declaration = new RegExp(`(\\bconst\\s+${key}\\s*:\\s*(u32|i32|f32|bool)\\s*=\\s*)[^;]+;`);
    const found = declaration.exec(code);
    if (!found) throw new UserError(`shaders/${name}.wgsl declares no constant ${key}`);
    code = code.replace(declaration, `$1${literal(value, found[2]!)};`);
  }
  return { code, overrides };
}

function literal(value: number, type: string): string {
  switch (type) {
    case "bool":
      return value ? "true" : "false";
    case "f32":
      return Number.isInteger(value) ? `${value}.0` : `${value}`;
    case "u32":
      return `${value}u`;
    default:
      return `${value}i`;
  }
}
