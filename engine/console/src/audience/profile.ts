// What a profile shows: which columns to begin with, and how the audience's part compares with the population's.
import type { ProfileColumn } from '@/api'
import type { Field } from '@/rule/fields'

const USUAL = ['country', 'has_poh', 'active_chains', 'balance_usd', 'last_active_time']

/** The usual columns if the store has them, else the first of each kind. */
export function columnsToBeginWith(fields: Field[]): string[] {
  const names = new Set(fields.map((field) => field.name))
  const usual = USUAL.filter((name) => names.has(name))
  if (usual.length > 0) return usual
  const kinds = ['text', 'bool', 'array', 'number', 'time'] as const
  return kinds.flatMap((kind) => fields.find((field) => field.kind === kind && field.type !== '')?.name ?? [])
}

/** A value or a range of values: the share of the audience that has it, beside that of the population. */
export interface Bar {
  key: string
  value: unknown
  high?: unknown
  count: number
  share: number
  populationShare: number
  /** How many times as frequent as in the population; null where the population has none. */
  lift: number | null
}

export function barsOf(column: ProfileColumn, count: number, universe: number): Bar[] {
  const bar = (key: string, members: number, population: number): Omit<Bar, 'value'> => {
    const share = count > 0 ? members / count : 0
    const populationShare = universe > 0 ? population / universe : 0
    return { key, count: members, share, populationShare, lift: populationShare > 0 ? share / populationShare : null }
  }
  if (column.bins.length > 0) {
    return column.bins.map((bin) => ({
      ...bar(`${bin.low}`, bin.count, bin.population),
      value: bin.low,
      high: bin.high,
    }))
  }
  const bars = column.values.map((found) => ({ ...bar(JSON.stringify(found.value), found.count, found.population), value: found.value }))
  // Yes before no, whichever is more frequent.
  return bars.every((one) => typeof one.value === 'boolean') ? bars.sort((a, b) => Number(b.value) - Number(a.value)) : bars
}
