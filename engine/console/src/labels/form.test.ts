// A label's form: what is wrong with it, and what saves it.
import { describe, expect, it } from 'vitest'
import type { Label } from '@/api'
import { differences } from '@/parts/versions'
import { asRecord, faultsOf, formOf, LABEL_FIELDS, requestOf } from './form'

const LABEL = {
  name: 'whales',
  description: 'much',
  rule: 'balance_usd > 1',
  private: true,
  status: 'disabled',
  is_list: false,
  version: 4,
} as Label

describe('a label and its form', () => {
  it('say the same', () => {
    expect(requestOf(formOf(LABEL), false, 4)).toEqual({
      name: 'whales',
      description: 'much',
      rule: 'balance_usd > 1',
      private: true,
      status: 'disabled',
      version: 4,
    })
    expect(differences(asRecord(formOf(LABEL), false), { ...LABEL }, LABEL_FIELDS)).toEqual([])
  })

  it('leave the rule out of a list', () => {
    expect(requestOf({ ...formOf(null), name: ' a ' }, true)).toEqual({ name: 'a', description: '', private: false, status: 'enabled' })
  })
})

describe('faults', () => {
  it('are a name or a rule that is missing', () => {
    expect(faultsOf(formOf(null), false)).toEqual({ name: 'nameMissing', rule: 'ruleMissing' })
    expect(faultsOf(formOf(null), true)).toEqual({ name: 'nameMissing' })
  })
  it('count characters, not units', () => {
    expect(faultsOf({ ...formOf(LABEL), name: '𠮷'.repeat(200) }, false)).toEqual({})
    expect(faultsOf({ ...formOf(LABEL), name: '𠮷'.repeat(201) }, false)).toEqual({ name: 'nameLong' })
  })
})
