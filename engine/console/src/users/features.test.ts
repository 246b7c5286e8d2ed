// Grouping and searching features, and entries of maps.
import { describe, expect, it } from 'vitest'
import { fieldsOf } from '@/rule/fields'
import { firstColumns, groupFeatures, mapEntries, searchFeatures } from './features'

const column = (name: string, kind: string, type: string) => ({ name, kind, type, nullable: true })
const fields = fieldsOf({
  user_id: 'user_id',
  time_zone: 'UTC',
  generation: 1,
  as_of: '2026-11-21T00:00:00Z',
  columns: [
    column('country', 'text', 'String'),
    column('has_poh', 'bool', 'Bool'),
    column('balance_usd', 'number', 'Float64'),
    column('register_time', 'time', 'DateTime'),
    column('active_chains', 'array', 'Array(String)'),
    column('holdings', 'map', 'Map(String, Float64)'),
  ],
} as unknown as Parameters<typeof fieldsOf>[0])

const features = {
  active_chains: null,
  balance_usd: 12.5,
  country: 'NL',
  has_poh: true,
  holdings: { USDT: 5 },
  new_flag: false,
  register_time: '2026-01-01T00:00:00Z',
}

describe('groups of features', () => {
  it('follow the schema, in its order; what it does not know goes by its value', () => {
    const groups = groupFeatures(features, fields)
    expect(groups.map((group) => [group.section, group.features.map((feature) => feature.name)])).toEqual([
      ['facts', ['country', 'balance_usd']],
      ['flags', ['has_poh', 'new_flag']],
      ['times', ['register_time']],
      ['arrays', ['active_chains']],
      ['maps', ['holdings']],
    ])
  })

  it('are searched by name and title', () => {
    const groups = groupFeatures(features, fields)
    expect(searchFeatures(groups, 'HUMANITY').flatMap((group) => group.features.map((feature) => feature.name))).toEqual(['has_poh'])
    expect(searchFeatures(groups, 'nothing like it')).toEqual([])
    expect(searchFeatures(groups, ' ')).toEqual(groups)
  })
})

describe('entries of a map', () => {
  it('have the greatest amount first', () => {
    expect(mapEntries({ A: 1, C: 30, B: 1 })).toEqual([
      ['C', 30],
      ['A', 1],
      ['B', 1],
    ])
    expect(mapEntries({ USDT: 1, USDC: 2, ETH: 3 }, 'usd').map(([key]) => key)).toEqual(['USDC', 'USDT'])
    expect(mapEntries(null)).toEqual([])
  })
})

describe('the first columns', () => {
  it('are those that are asked for most, or the first ones of another schema', () => {
    expect(firstColumns(fields)).toEqual(['country', 'has_poh', 'balance_usd', 'active_chains'])
    const other = fields.filter((field) => field.name === 'register_time' || field.name === 'holdings')
    expect(firstColumns(other)).toEqual(['register_time', 'holdings'])
  })
})
