/** Lines that Dawn prints about the Vulkan drivers of a machine: of their limits, or that there is a loader without drivers. */
const ABOUT_DRIVERS =
  /^Warning: (?:maxDynamic\w+ artificially reduced|vkCreateInstance).*\n(?: +at CheckVkSuccess.*\n+)?/gm;

/** What a process wrote to stderr itself, without what Dawn says of the machine's drivers. */
export const ownLines = (stderr: string) => stderr.replace(ABOUT_DRIVERS, "");
