/** Where winners are remembered: small texts by file name. Neither method throws: what cannot be kept is timed again. */
export interface TuneStore {
  read(name: string): Promise<string | undefined>;
  write(name: string, text: string): Promise<void>;
}

/** Remembers for as long as it lives. */
export function memoryStore(): TuneStore {
  const texts = new Map<string, string>();
  return {
    read: async (name) => texts.get(name),
    write: async (name, text) => {
      texts.set(name, text);
    },
  };
}
