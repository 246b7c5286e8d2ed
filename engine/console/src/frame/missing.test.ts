// Pages that cannot be fetched: what says so, and that they are not loaded over and over.
import { describe, expect, it } from 'vitest'
import { isMissing, mayLoad } from './missing'

describe('a page that cannot be fetched', () => {
  it('is told by every browser in its own words', () => {
    expect(isMissing(new TypeError('Failed to fetch dynamically imported module: http://h/assets/UsersPage-x.js'))).toBe(true)
    expect(isMissing(new TypeError('error loading dynamically imported module'))).toBe(true)
    expect(isMissing(new TypeError('Importing a module script failed.'))).toBe(true)
    expect(isMissing(new Error('Unable to preload CSS for /assets/UsersPage-x.css'))).toBe(true)
    expect(isMissing(new TypeError('x is not a function'))).toBe(false)
  })

  it('is loaded anew once, not over and over', () => {
    const notes = new Map<string, string>()
    const storage = { getItem: (key: string) => notes.get(key) ?? null, setItem: (key: string, to: string) => void notes.set(key, to) }
    expect(mayLoad('/users?rule=a', 1_000, storage)).toBe(true)
    expect(mayLoad('/users?rule=a', 5_000, storage)).toBe(false)
    expect(mayLoad('/labels', 6_000, storage)).toBe(true)
    expect(mayLoad('/users?rule=a', 60_000, storage)).toBe(true)
  })
})
