/** Whether a version such as 20.19.0 lies in a range such as `^20.19.0 || >=22.12.0`: carets and lower bounds only. */
export function satisfies(version: string, range: string): boolean;
