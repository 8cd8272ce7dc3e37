/** Serves one folder on 127.0.0.1, at a free port unless told which. */
export function serve(folder: string, port?: number): Promise<{ url: string; close(): void }>;
