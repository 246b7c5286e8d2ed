// Ids that were pasted, as the lines that an upload has.

/** Pasted words, one a line: what stands between spaces, commas, semicolons or line ends. The server says which are no ids. */
export function linesOf(pasted: string): string[] {
  return pasted.split(/[\s,;]+/).filter((word) => word !== '')
}
