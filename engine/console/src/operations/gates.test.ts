// Reports of gates and generations as rows.
import { describe, expect, it } from 'vitest'
import type { Generation, GenerationAnswer } from '@/api'
import { hasMoved, measured, movement, readReport, type Check } from './gates'
import { generationRows, percent, swap } from './generations'

const kept: GenerationAnswer = {
  generation: 3,
  as_of: '2026-11-21T00:00:00Z',
  users: 60_000,
  bytes: 1,
  state: 'held',
  in_service: false,
  gates: {
    verdict: 'failed',
    compared_with: 2,
    checks: [
      { name: 'rows', what: 'rows', of: null, before: 61_000, after: 60_000, moved: -0.016, limit: 0.3, result: 'passed' },
      { name: 'distinct', what: 'column', of: 'country', before: 200, after: 100, moved: -0.5, limit: 0.3, result: 'failed' },
      { name: 'schema', what: 'schema', of: 'score', before: 'Float64', after: null, result: 'failed', message: 'the column is gone' },
      { name: 'null_rate', what: 'column', of: 'score', before: 0.25, after: 0.25, moved: 0, limit: 0.3, result: 'passed' },
      { name: 'rule_counts', what: 'rule', of: 'whales', before: 100, after: 10, moved: -0.9, limit: 0.3, result: 'waived' },
    ],
  },
}

describe('a report', () => {
  it('is read as the server tells it, the worst first', () => {
    const report = readReport(kept)
    expect(report?.comparedWith).toBe(2)
    expect(report?.checks.map((check) => [check.gate, check.of, check.outcome])).toEqual([
      ['schema', 'score', 'failed'],
      ['distinct', 'country', 'failed'],
      ['rule_counts', 'whales', 'waived'],
      ['rows', '', 'passed'],
      ['null_rate', 'score', 'passed'],
    ])
    expect(report?.checks.map(hasMoved)).toEqual([true, true, true, true, false])
    expect(report?.checks[0]?.note).toBe('the column is gone')
  })

  it('is none where none was kept', () => {
    expect(readReport({ ...kept, gates: null })).toBeNull()
    expect(readReport(null)).toBeNull()
  })

  it('shows shares as shares and counts as counts', () => {
    const check = (gate: string) => ({ gate }) as Check
    expect(measured(check('null_rate'), 0.251)).toBe('25.1 %')
    expect(measured(check('rows'), 61_000)).toBe('61,000')
    expect(measured(check('schema'), null)).toBe('–')
    expect([movement(-0.5), movement(0), movement(null), movement(0.016)]).toEqual(['−50 %', '±0', '–', '+1.6 %'])
  })
})

describe('generations', () => {
  const one = (generation: number, users: number, state: 'published' | 'held', in_service = false): Generation => ({
    generation,
    users,
    state,
    in_service,
    bytes: 1,
    as_of: `2026-11-2${generation}T00:00:00Z`,
  })
  const all = [one(1, 100, 'published'), one(2, 110, 'published', true), one(3, 50, 'held'), one(4, 111, 'published')]

  it('stand newest first, compared with the published one before', () => {
    expect(generationRows(all).map((row) => [row.generation, row.change])).toEqual([
      [4, 1],
      [3, -60],
      [2, 10],
      [1, null],
    ])
  })

  it('say what a swap changes', () => {
    expect(swap(all, all[0]!)).toMatchObject({ from: { generation: 2 }, users: -10, age: -86_400_000 })
    expect(swap([], all[0]!)).toMatchObject({ from: null, users: null, age: null })
  })

  it('have progress where the total is known', () => {
    expect([percent(5, 10), percent(0, 10), percent(3, null), percent(12, 10)]).toEqual([50, 0, null, 100])
  })
})
