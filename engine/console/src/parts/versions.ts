// Two versions of a record, field by field.

/** A field that two versions have different values of. */
export interface Difference {
  field: string
  before: unknown
  after: unknown
}

type Fields = Readonly<Record<string, unknown>>

/** The fields of `names` in which two versions differ; one that is absent counts as null. */
export function differences(before: Fields | null | undefined, after: Fields | null | undefined, names: readonly string[]): Difference[] {
  const found: Difference[] = []
  for (const field of names) {
    const was = before?.[field] ?? null
    const is = after?.[field] ?? null
    if (!same(was, is)) found.push({ field, before: was, after: is })
  }
  return found
}

/** Whether two values say the same, whatever the order of keys; an absent key and null are the same. */
export function same(one: unknown, other: unknown): boolean {
  return canonical(one) === canonical(other)
}

function canonical(value: unknown): string {
  return JSON.stringify(value ?? null, (_key, part: unknown) => {
    if (part === null || typeof part !== 'object' || Array.isArray(part)) return part
    const entries = Object.entries(part).filter(([, inner]) => inner !== null && inner !== undefined)
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
  })
}

/** What to do about a conflict. */
export type Resolution = 'theirs' | 'mine' | 'edit'
