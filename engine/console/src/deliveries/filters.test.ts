// Filters of the list of deliveries: from addresses, to addresses, to the server.
import { describe, expect, it } from 'vitest'
import { askOf, readFilters, TABS, writeFilters } from './filters'

describe('filters and addresses', () => {
  it('come back as they were written, for every tab', () => {
    for (const tab of TABS) {
      const filters = { tab, search: 'swap &', creator: 'maya' }
      expect(readFilters(writeFilters(filters))).toEqual(filters)
    }
    expect(writeFilters({ tab: 'all', search: '', creator: '' })).toEqual({})
  })
  it('take nonsense for nothing', () => {
    expect(readFilters({ state: 'gone', q: [null] })).toEqual({ tab: 'all', search: '', creator: '' })
  })
})

describe('what the server is asked', () => {
  it('is a state, or what waits', () => {
    expect(askOf({ tab: 'all', search: ' ', creator: '' })).toEqual({})
    expect(askOf({ tab: 'waiting', search: '', creator: '' })).toEqual({ waiting: true })
    expect(askOf({ tab: 'unpass', search: 'a', creator: 'b' })).toEqual({ status: 'unpass', search: 'a', creator: 'b' })
  })
})
