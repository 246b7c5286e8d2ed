// The state of the list of users in its address, so that a link opens the same list.
import type { LocationQuery, LocationQueryRaw } from 'vue-router'

export interface ListState {
  /** The audience: a rule, or a label, or with neither everybody. */
  rule: string
  labelId: number | null
  /** Chosen columns; none is whatever the reader chose last. */
  columns: string[]
  /** Where the page begins, as the server names it, and how many users come before it. */
  token: string
  from: number
}

type Given = LocationQuery[string] | undefined

function texts(given: Given): string[] {
  return [given ?? []].flat().filter((one): one is string => typeof one === 'string' && one !== '')
}

function whole(given: Given): number | null {
  const text = texts(given)[0]
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : null
}

export function readState(query: LocationQuery): ListState {
  const labelId = whole(query.label_id)
  return {
    rule: labelId === null ? (texts(query.rule)[0] ?? '') : '',
    labelId,
    columns: texts(query.columns),
    token: texts(query.page_token)[0] ?? '',
    from: whole(query.from) ?? 0,
  }
}

export function writeState(state: ListState): LocationQueryRaw {
  const query: LocationQueryRaw = {}
  if (state.labelId !== null) query.label_id = String(state.labelId)
  else if (state.rule.trim() !== '') query.rule = state.rule
  if (state.columns.length > 0) query.columns = state.columns
  if (state.token !== '') {
    query.page_token = state.token
    query.from = String(state.from)
  }
  return query
}
