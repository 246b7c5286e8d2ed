// What is known of the whole population, column by column: the values there are and who has them, and how numbers and times are spread. Asked once a
// generation, when an editor needs it.
import { defineStore } from 'pinia'
import { shallowReactive } from 'vue'
import * as api from '@/api'
import { useStore } from './store'

/** How many values a picker offers, most users first. */
const TOP = 200
/** How many bars a histogram has at most. */
const BINS = 40

export interface Facts {
  column: api.ProfileColumn | null
  problem: unknown
  loading: boolean
}

export const useFacts = defineStore('facts', () => {
  const store = useStore()
  const known = shallowReactive(new Map<string, Facts>())

  const keyOf = (column: string) => `${store.generation ?? 0} ${column}`

  /** What is known of a column, or of a key of a map. */
  const of = (column: string): Facts | null => known.get(keyOf(column)) ?? null

  /** Asks for the facts of a column, unless they are there or on their way. */
  function want(column: string): void {
    const key = keyOf(column)
    if (known.has(key)) return
    known.set(key, { column: null, problem: null, loading: true })
    void load(key, column)
  }

  async function load(key: string, column: string): Promise<void> {
    try {
      const answer = await api.profile({ rule: 'true' }, { columns: [column], top: TOP, bins: BINS })
      known.set(key, { column: answer.columns[0] ?? null, problem: null, loading: false })
    } catch (problem) {
      known.set(key, { column: null, problem, loading: false })
    }
  }

  /** Forgets what failed, so that it is asked for again. */
  function again(column: string): void {
    known.delete(keyOf(column))
    want(column)
  }

  return { of, want, again }
})
