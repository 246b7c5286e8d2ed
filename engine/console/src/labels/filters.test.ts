// Filters of the list of labels: from addresses, to addresses, to the server.
import { describe, expect, it } from 'vitest'
import { askOf, isFiltered, NO_FILTERS, readFilters, readIds, writeFilters, type LabelFilters } from './filters'

const ALL: LabelFilters = {
  search: 'kyc ü&=',
  status: 'disabled',
  kind: 'list',
  origin: 'people',
  visibility: 'private',
  creator: 'maya',
  failed: true,
  sort: 'change',
  descending: true,
}

describe('filters and addresses', () => {
  it('come back as they were written', () => {
    for (const filters of [{ ...NO_FILTERS }, ALL, { ...NO_FILTERS, sort: 'count' as const, descending: true }]) {
      expect(readFilters(writeFilters(filters))).toEqual(filters)
    }
  })

  it('leave an address empty where nothing is chosen', () => {
    expect(writeFilters({ ...NO_FILTERS })).toEqual({})
  })

  it('take nonsense for nothing', () => {
    expect(readFilters({ status: 'gone', sort: ['size', 'name'], failed: 'perhaps', q: null })).toEqual(NO_FILTERS)
  })
})

describe('what the server is asked', () => {
  it('names only what is chosen', () => {
    expect(askOf({ ...NO_FILTERS, search: '  ' })).toEqual({ sort: 'name', descending: false })
  })

  it('says filters in its words', () => {
    expect(askOf(ALL)).toEqual({
      sort: 'change',
      descending: true,
      search: 'kyc ü&=',
      status: 'disabled',
      is_list: true,
      predefined: false,
      private: true,
      creator: 'maya',
      failed: true,
    })
  })
})

describe('isFiltered', () => {
  it('does not count the order', () => {
    expect(isFiltered({ ...NO_FILTERS, sort: 'count', descending: true })).toBe(false)
    expect(isFiltered({ ...NO_FILTERS, kind: 'rule' })).toBe(true)
  })
})

describe('readIds', () => {
  it('takes numbers, each once', () => {
    expect(readIds({ ids: '3,1,x,3,,2' }, 'ids')).toEqual([3, 1, 2])
    expect(readIds({}, 'ids')).toEqual([])
  })
})
