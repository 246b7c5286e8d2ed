// Follows the server's measurements while the page is open, and keeps those of the last ten minutes.
import { computed, onScopeDispose, shallowRef } from 'vue'
import * as api from '@/api'
import { readMetrics, type Reading } from './metrics'

const EVERY_MS = 5_000
/** Two readings make the first figures: they are not waited for. */
const FIRST_MS = 1_500
export const KEPT_MS = 600_000

// Kept while another page is open, so that coming back does not begin at nothing.
const readings = shallowRef<Reading[]>([])

/** Adds a reading, and forgets those that are too old. */
export function withReading(kept: readonly Reading[], next: Reading): Reading[] {
  return [...kept.filter((one) => next.at - one.at <= KEPT_MS), next]
}

/** The first reading that is not older than so long before the last one; null if there is only one. */
export function readingBefore(kept: readonly Reading[], ms: number): Reading | null {
  const last = kept.at(-1)
  if (!last || kept.length < 2) return null
  return kept.slice(0, -1).find((one) => last.at - one.at <= ms) ?? kept.at(-2) ?? null
}

export function useTraffic() {
  const problem = shallowRef<unknown>(null)
  let timer: ReturnType<typeof setTimeout> | undefined
  let ended = false

  async function look(): Promise<void> {
    clearTimeout(timer)
    if (!document.hidden) {
      try {
        const text = await api.metrics()
        readings.value = withReading(readings.value, readMetrics(text, Date.now()))
        problem.value = null
      } catch (error) {
        problem.value = error
      }
    }
    const pause = readings.value.length < 3 ? FIRST_MS : EVERY_MS
    if (!ended) timer = setTimeout(() => void look(), problem.value === null ? pause : EVERY_MS)
  }

  void look()
  onScopeDispose(() => {
    ended = true
    clearTimeout(timer)
  })
  return { readings, problem, last: computed(() => readings.value.at(-1) ?? null), look }
}
