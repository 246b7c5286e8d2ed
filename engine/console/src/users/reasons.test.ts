// The explained rule as rows: what joins conditions, what decides.
import { describe, expect, it } from 'vitest'
import type { ExplainedCondition, Outcome } from '@/api'
import { jointOf, reasons } from './reasons'

const leaf = (rule: string, outcome: Outcome, features?: Record<string, unknown>): ExplainedCondition =>
  features ? { rule, outcome, features, conditions: [] } : { rule, outcome, conditions: [] }
const node = (rule: string, outcome: Outcome, ...conditions: ExplainedCondition[]): ExplainedCondition => ({ rule, outcome, conditions })

describe('what joins conditions', () => {
  const poh = leaf('has_poh', 'true')
  const zkme = leaf('has_zkme', 'false')

  it('is told by the text between them', () => {
    expect(jointOf(node('has_poh AND has_zkme', 'false', poh, zkme)).joint).toBe('all')
    expect(jointOf(node('has_poh OR has_zkme', 'true', poh, zkme)).joint).toBe('any')
    expect(jointOf(poh).joint).toBeNull()
  })

  it('is not taken from inside a condition', () => {
    const either = node('has_poh OR has_zkme', 'true', poh, zkme)
    const text = leaf("country = 'A OR B'", 'false')
    expect(jointOf(node("(has_poh OR has_zkme) AND country = 'A OR B'", 'false', either, text)).joint).toBe('all')
  })

  it('counts in at_least, also when it comes first in something else', () => {
    const two = node('at_least(2, has_poh, has_zkme)', 'false', poh, zkme)
    expect(jointOf(two)).toEqual({ joint: 'atLeast', k: 2 })
    expect(jointOf(node('at_least(2, has_poh, has_zkme) AND has_poh', 'false', two, poh)).joint).toBe('all')
  })

  it('is NOT around a group', () => {
    const both = node('has_poh AND has_zkme', 'false', poh, zkme)
    expect(jointOf(node('NOT (has_poh AND has_zkme)', 'true', both)).joint).toBe('not')
  })
})

describe('rows', () => {
  it('has the user’s values beside the conditions, and NOT of one condition in one row', () => {
    const rows = reasons(
      node(
        'balance_usd >= 100 AND NOT bot_warning',
        'unknown',
        leaf('balance_usd >= 100', 'unknown', { balance_usd: null }),
        node('NOT bot_warning', 'true', leaf('bot_warning', 'false', { bot_warning: false })),
      ),
    )
    expect(rows.map((row) => [row.depth, row.rule, row.outcome, row.decides])).toEqual([
      [0, 'balance_usd >= 100 AND NOT bot_warning', 'unknown', true],
      [1, 'balance_usd >= 100', 'unknown', true],
      [1, 'NOT bot_warning', 'true', false],
    ])
    expect(rows[2]?.values).toEqual([['bot_warning', false]])
  })

  it('says of alternatives which one let the user in', () => {
    const rows = reasons(node('a OR b', 'true', leaf('a', 'false'), leaf('b', 'true')))
    expect(rows.map((row) => row.decides)).toEqual([true, false, true])
  })

  it('says that every alternative keeps a user out', () => {
    const rows = reasons(node('a OR b', 'unknown', leaf('a', 'false'), leaf('b', 'unknown')))
    expect(rows.map((row) => row.decides)).toEqual([true, true, true])
  })

  it('does not blame what is inside of what does not decide', () => {
    const inner = node('a OR b', 'true', leaf('a', 'true'), leaf('b', 'false'))
    const rows = reasons(node('(a OR b) AND c', 'false', inner, leaf('c', 'false')))
    expect(rows.map((row) => row.decides)).toEqual([true, false, false, false, true])
  })
})
