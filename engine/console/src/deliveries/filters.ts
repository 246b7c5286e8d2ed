// Which deliveries the list shows, as its address says it and as the server is asked for it.
import type { DeliveryStatus } from '@/api'

export const STATUSES = ['draft', 'pending', 'upcoming', 'ongoing', 'ended', 'unpass', 'expired', 'canceled'] as const satisfies readonly DeliveryStatus[]
export type Tab = 'all' | 'waiting' | DeliveryStatus
export const TABS: readonly Tab[] = ['all', 'waiting', ...STATUSES]

export interface DeliveryFilters {
  tab: Tab
  search: string
  creator: string
}

export type Query = Record<string, string | null | undefined | (string | null)[]>

const one = (query: Query, name: string) => {
  const given = query[name]
  return (Array.isArray(given) ? given[0] : given) ?? ''
}

export function readFilters(query: Query): DeliveryFilters {
  const tab = TABS.find((known) => known === one(query, 'state')) ?? 'all'
  return { tab, search: one(query, 'q'), creator: one(query, 'creator') }
}

export function writeFilters(filters: DeliveryFilters): Record<string, string> {
  const query: Record<string, string> = {}
  if (filters.tab !== 'all') query['state'] = filters.tab
  if (filters.search) query['q'] = filters.search
  if (filters.creator) query['creator'] = filters.creator
  return query
}

/** What the server is asked. */
export function askOf({ tab, search, creator }: DeliveryFilters): { status?: string; waiting?: boolean; search?: string; creator?: string } {
  const query: ReturnType<typeof askOf> = {}
  if (tab === 'waiting') query.waiting = true
  else if (tab !== 'all') query.status = tab
  if (search.trim()) query.search = search.trim()
  if (creator.trim()) query.creator = creator.trim()
  return query
}
