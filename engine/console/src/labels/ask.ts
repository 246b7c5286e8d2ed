// Asking for labels with the counts of their last generations.
import * as api from '@/api'

/** Counts of a row's small picture. */
const RECENT = 30

export type LabelsPage = { items: api.Label[]; next: string | null }

export async function askLabels(query: api.LabelsRequest, signal?: AbortSignal): Promise<LabelsPage> {
  const answer = await api.labels({ ...query, history: RECENT }, signal)
  return { items: answer.labels, next: answer.next_page_token ?? null }
}
