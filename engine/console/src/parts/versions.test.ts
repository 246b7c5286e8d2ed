// Two versions of a record, field by field.
import { describe, expect, it } from 'vitest'
import { differences, same } from './versions'

describe('differences', () => {
  it('tells only the fields that differ, in the order asked', () => {
    const before = { name: 'a', rule: 'has_poh', private: false, version: 1 }
    const after = { name: 'b', rule: 'has_poh', private: true, version: 2 }
    expect(differences(before, after, ['private', 'rule', 'name'])).toEqual([
      { field: 'private', before: false, after: true },
      { field: 'name', before: 'a', after: 'b' },
    ])
  })

  it('takes an absent field for null, and a record that is not there for one without fields', () => {
    expect(differences({ daily_cap: null }, {}, ['daily_cap'])).toEqual([])
    expect(differences(null, { name: 'a' }, ['name'])).toEqual([{ field: 'name', before: null, after: 'a' }])
  })
})

describe('same', () => {
  it('does not mind the order of keys, nor keys without a value', () => {
    expect(same({ label: 'a', label_id: 1 }, { label_id: 1, label: 'a', rule: null })).toBe(true)
  })
  it('minds the order of lists', () => {
    expect(same([1, 2], [2, 1])).toBe(false)
  })
  it('tells an empty text from none', () => {
    expect(same('', null)).toBe(false)
  })
})
