// Lists that the server gives page by page: what is there so far, and whether there is more.
import { computed, onScopeDispose, ref, shallowRef } from 'vue'
import { isAborted } from '@/api'

export interface Page<T> {
  items: T[]
  next: string | null
}

/** Entries that the server gives at once at most. */
const PAGE_MAX = 1_000

export function useList<T>(
  question: (page: { page_size: number; page_token?: string }, signal: AbortSignal) => Promise<Page<T>>,
  size = 50,
) {
  const items = shallowRef<T[]>([])
  const next = shallowRef<string | null>(null)
  const problem = shallowRef<unknown>(null)
  const loading = ref(false)
  const loadingMore = ref(false)
  /** Whether anything was answered yet. */
  const loaded = ref(false)
  let running: AbortController | null = null

  async function run(page: { page_size: number; page_token?: string }, more: boolean): Promise<void> {
    running?.abort()
    const mine = new AbortController()
    running = mine
    loading.value = !more
    loadingMore.value = more
    try {
      const answer = await question(page, mine.signal)
      if (running !== mine) return
      items.value = more ? [...items.value, ...answer.items] : answer.items
      next.value = answer.next
      problem.value = null
      loaded.value = true
    } catch (error) {
      if (running !== mine || isAborted(error)) return
      problem.value = error
    } finally {
      if (running === mine) loading.value = loadingMore.value = false
    }
  }

  onScopeDispose(() => running?.abort())

  return {
    items,
    next,
    problem,
    loading,
    loadingMore,
    loaded,
    /** How many pages are there. */
    pages: computed(() => Math.max(1, Math.ceil(items.value.length / size))),
    /** Asks from the beginning, as many pages as one had. */
    load: (pages = 1) => run({ page_size: Math.min(PAGE_MAX, size * pages) }, false),
    more: () => (next.value ? run({ page_size: size, page_token: next.value }, true) : Promise.resolve()),
    /** Puts an entry in the place of another one. */
    replace(is: (item: T) => boolean, by: T | null) {
      items.value = items.value.flatMap((item) => (is(item) ? (by === null ? [] : [by]) : [item]))
    },
  }
}
