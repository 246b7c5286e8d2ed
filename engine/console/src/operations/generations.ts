// The generations of a store as a table tells them, and what putting another one into service changes.
import type { Generation } from '@/api'

export interface GenerationRow extends Generation {
  /** How many users more than in the published one before it. */
  change: number | null
}

/** The newest first, each with how its users changed. */
export function generationRows(generations: readonly Generation[]): GenerationRow[] {
  const ascending = [...generations].sort((a, b) => a.generation - b.generation)
  let before: Generation | null = null
  const rows = ascending.map((one): GenerationRow => {
    const row = { ...one, change: before ? one.users - before.users : null }
    if (one.state === 'published') before = one
    return row
  })
  return rows.reverse()
}

export interface Swap {
  from: Generation | null
  to: Generation
  /** How many users more answers come from. */
  users: number | null
  /** By how many milliseconds the data is newer; negative if it is older. */
  age: number | null
}

/** What putting a generation into service changes. */
export function swap(generations: readonly Generation[], to: Generation): Swap {
  const from = generations.find((one) => one.in_service) ?? null
  return {
    from,
    to,
    users: from ? to.users - from.users : null,
    age: from ? Date.parse(to.as_of) - Date.parse(from.as_of) : null,
  }
}

/** How far a job is, in per cent; null where nobody knows. */
export function percent(done: number | null | undefined, total: number | null | undefined): number | null {
  if (!total || done === null || done === undefined) return null
  return Math.min(100, Math.floor((done / total) * 100))
}
