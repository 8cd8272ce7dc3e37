/** Lines that Dawn prints about the Vulkan drivers of a machine: of their limits, or that there is a loader without drivers. */
const ABOUT_DRIVERS = /^(Warning: (maxDynamic\w+ artificially reduced|vkCreateInstance).*| +at CheckVkSuccess.*|)$/;

/** What a process wrote to stderr itself, without empty lines and without what Dawn says of the machine's drivers. */
export const ownLines = (stderr: string) =>
  stderr
    .split("\n")
    .filter((line) => !ABOUT_DRIVERS.test(line))
    .join("\n");
