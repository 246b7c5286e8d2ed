// What the list of labels shows, as its address says it and as the server is asked for it.
import type { LabelSort, LabelsRequest } from '@/api'

export interface LabelFilters {
  search: string
  status: '' | 'enabled' | 'disabled'
  kind: '' | 'rule' | 'list'
  /** Made by the system or by people. */
  origin: '' | 'system' | 'people'
  visibility: '' | 'private' | 'shared'
  creator: string
  failed: boolean
  sort: LabelSort
  descending: boolean
}

export const NO_FILTERS: Readonly<LabelFilters> = {
  search: '',
  status: '',
  kind: '',
  origin: '',
  visibility: '',
  creator: '',
  failed: false,
  sort: 'name',
  descending: false,
}

/** The parameters of an address: each at most once here. */
export type Query = Record<string, string | null | undefined | (string | null)[]>

const SORTS: readonly LabelSort[] = ['name', 'count', 'change', 'updated', 'created']

function one(query: Query, name: string): string {
  const given = query[name]
  return (Array.isArray(given) ? given[0] : given) ?? ''
}

function oneOf<T extends string>(query: Query, name: string, allowed: readonly T[], otherwise: T): T {
  const given = one(query, name)
  return allowed.find((value) => value === given) ?? otherwise
}

/** What an address says; what it says wrongly counts as not said. */
export function readFilters(query: Query): LabelFilters {
  return {
    search: one(query, 'q'),
    status: oneOf(query, 'status', ['', 'enabled', 'disabled'], ''),
    kind: oneOf(query, 'kind', ['', 'rule', 'list'], ''),
    origin: oneOf(query, 'origin', ['', 'system', 'people'], ''),
    visibility: oneOf(query, 'visibility', ['', 'private', 'shared'], ''),
    creator: one(query, 'creator'),
    failed: one(query, 'failed') === 'true',
    sort: oneOf(query, 'sort', SORTS, 'name'),
    descending: one(query, 'order') === 'desc',
  }
}

/** The address of filters: only what is not as usual. */
export function writeFilters(filters: LabelFilters): Record<string, string> {
  const query: Record<string, string> = {}
  if (filters.search) query['q'] = filters.search
  if (filters.status) query['status'] = filters.status
  if (filters.kind) query['kind'] = filters.kind
  if (filters.origin) query['origin'] = filters.origin
  if (filters.visibility) query['visibility'] = filters.visibility
  if (filters.creator) query['creator'] = filters.creator
  if (filters.failed) query['failed'] = 'true'
  if (filters.sort !== 'name') query['sort'] = filters.sort
  if (filters.descending) query['order'] = 'desc'
  return query
}

/** What the server is asked. */
export function askOf(filters: LabelFilters): LabelsRequest {
  const query: LabelsRequest = { sort: filters.sort, descending: filters.descending }
  if (filters.search.trim()) query.search = filters.search.trim()
  if (filters.status) query.status = filters.status
  if (filters.kind) query.is_list = filters.kind === 'list'
  if (filters.origin) query.predefined = filters.origin === 'system'
  if (filters.visibility) query.private = filters.visibility === 'private'
  if (filters.creator.trim()) query.creator = filters.creator.trim()
  if (filters.failed) query.failed = true
  return query
}

/** Whether anything is left out of the list. */
export function isFiltered(filters: LabelFilters): boolean {
  return Object.keys(writeFilters({ ...filters, sort: 'name', descending: false })).length > 0
}

/** Numbers between commas, each once. */
export function readIds(query: Query, name: string): number[] {
  const ids = one(query, name)
    .split(',')
    .filter((part) => /^\d{1,15}$/.test(part))
    .map(Number)
  return [...new Set(ids)]
}
