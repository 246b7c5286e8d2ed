// A label as a control holds it.
export interface PickedLabel {
  id: number
  name: string
}

/** A label in a rule's text. */
export function inRule(name: string): string {
  return `label('${name.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}')`
}
