// Asking for labels with their recent counts, also of a server that gives neither an order nor counts with a list.
import { ref } from 'vue'
import * as api from '@/api'

/** Counts of a row's small picture. */
export const RECENT = 30

/** Whether the server sorts; known after the first answer. */
export const sorts = ref(true)

export type LabelsPage = { items: api.LabelRow[]; next: string | null }

export async function askLabels(query: api.LabelsQuery, signal?: AbortSignal): Promise<LabelsPage> {
  if (sorts.value) {
    try {
      const answer = await api.labelRows({ ...query, history: RECENT }, signal)
      return { items: answer.labels, next: answer.next_page_token ?? null }
    } catch (error) {
      if (!isUnknownField(error)) throw error
      sorts.value = false
    }
  }
  const { sort: _sort, descending: _descending, history: _history, ...plain } = query
  const answer = await api.labels(plain, signal)
  const items = await inTurn(answer.labels, async (label): Promise<api.LabelRow> => {
    const counts = await api.labelCounts(label.id, RECENT, signal).catch(() => [])
    return { ...label, recent: counts.toSorted((a, b) => a.generation - b.generation) }
  })
  return { items, next: answer.next_page_token ?? null }
}

function isUnknownField(error: unknown): boolean {
  return error instanceof api.ApiProblem && error.status === 400 && /unknown field `(sort|descending|history)`/.test(error.message)
}

/** Asks for each, a few at a time, and answers in the order given. */
export async function inTurn<T, R>(items: readonly T[], question: (item: T) => Promise<R>, atOnce = 6): Promise<R[]> {
  const answers = new Array<R>(items.length)
  let next = 0
  async function work(): Promise<void> {
    while (next < items.length) {
      const at = next++
      answers[at] = await question(items[at] as T)
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work))
  return answers
}
