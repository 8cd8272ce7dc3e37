/** Serves one folder on 127.0.0.1, at a free port unless told which. @param more headers beside or in place of the usual */
export function serve(
  folder: string,
  port?: number,
  more?: Readonly<Record<string, string>>,
): Promise<{ url: string; close(): void }>;
/** The port that the command line asks for, 8064 unless given. @throws Error with one line for anything else */
export function portOf(args: readonly string[]): number;
