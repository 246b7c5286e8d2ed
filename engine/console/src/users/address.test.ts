// The list's state in its address, the place of a fault in a rule, deliveries by place.
import { describe, expect, it } from 'vitest'
import { ApiProblem, type Delivery } from '@/api'
import { readState, writeState } from './address'
import { byPlacement } from './deliveries'
import { placeOf } from './place'

describe('the state of the list', () => {
  it('goes into the address and comes back', () => {
    const state = { rule: "country = 'NL'", labelId: null, columns: ['country', "holdings['USDT']"], token: '2-ab-32', from: 50 }
    expect(readState(writeState(state) as Parameters<typeof readState>[0])).toEqual(state)
    const label = { rule: '', labelId: 7, columns: [], token: '', from: 0 }
    expect(readState(writeState(label) as Parameters<typeof readState>[0])).toEqual(label)
  })

  it('takes a label before a rule, and nothing that makes no sense', () => {
    expect(readState({ label_id: '7', rule: 'has_poh' })).toMatchObject({ labelId: 7, rule: '' })
    expect(readState({ label_id: 'seven', from: '-3' })).toMatchObject({ labelId: null, from: 0 })
  })
})

describe('the place of a fault', () => {
  const problem = (line: number, column: number) =>
    new ApiProblem({
      type: 'urn:muster:problem:bad_rule',
      title: '',
      status: 400,
      detail: '',
      instance: '',
      request_id: '',
      position: { line, column },
    })

  it('is the word that is wrong, in its line', () => {
    expect(placeOf(problem(2, 5), "country = 'NL'\nAND contry = 1")).toEqual({ before: 'AND ', at: 'contry', after: ' = 1' })
  })

  it('is the end where something is missing', () => {
    expect(placeOf(problem(1, 12), 'has_poh AND')).toEqual({ before: 'has_poh AND', at: '', after: '' })
  })

  it('counts characters', () => {
    expect(placeOf(problem(1, 14), "name = '😀' + x")?.at).toBe('x')
  })

  it('is not told of other problems', () => {
    expect(placeOf(new Error('no'), 'has_poh')).toBeNull()
  })
})

describe('deliveries by place', () => {
  it('keep their order, anywhere comes last', () => {
    const delivery = (id: number, placement: string) => ({ id, placement }) as Delivery
    const places = byPlacement([delivery(1, ''), delivery(2, 'home'), delivery(3, 'feed'), delivery(4, 'home')])
    expect(places.map((place) => [place.placement, place.deliveries.map((one) => one.id)])).toEqual([
      ['feed', [3]],
      ['home', [2, 4]],
      ['', [1]],
    ])
  })
})
