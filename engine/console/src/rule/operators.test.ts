import { describe, expect, it } from 'vitest'
import type { SchemaAnswer } from '@/api'
import { fieldsOf, keyField, referenceOf, titleOf } from './fields'
import { choiceOf, choicesOf, relativeOf, withChoice } from './operators'
import { isFixed, parseRelative, secondsOf, textOf } from './time'
import { newCondition } from './tree'

describe('fields', () => {
  it('are told apart: columns, keys of maps, lengths', () => {
    expect(referenceOf('country')).toEqual({ of: 'column', column: 'country' })
    expect(referenceOf("holdings['USDT']")).toEqual({ of: 'key', column: 'holdings', key: 'USDT' })
    expect(referenceOf('length(chains)')).toEqual({ of: 'length', column: 'chains' })
  })

  it('keep keys with quotes and backslashes', () => {
    for (const key of ["it's", 'a\\b', "\\'", 'plain', '["x"]']) {
      expect(referenceOf(keyField('m', key))).toEqual({ of: 'key', column: 'm', key })
    }
  })

  it('have the kind that the server tells, days as times and what is special as text', () => {
    const column = (kind: string, type: string) => ({ name: type, kind, type, nullable: false, distinct: 1 })
    const fields = fieldsOf({
      user_id: 'user_id',
      columns: [column('date', 'Date32'), column('other', 'UUID'), column('number', 'UInt8'), column('number', 'Decimal(18, 4)')],
    } as unknown as SchemaAnswer)
    const told = (name: string) => {
      const { kind, whole, days } = fields.find((field) => field.name === name)!
      return { kind, whole, days }
    }
    expect(told('Date32')).toEqual({ kind: 'time', whole: false, days: true })
    expect(told('UUID')).toEqual({ kind: 'text', whole: false, days: false })
    expect(told('UInt8')).toEqual({ kind: 'number', whole: true, days: false })
    expect(told('Decimal(18, 4)').whole).toBe(false)
  })

  it('are told in words', () => {
    expect(titleOf('has_binance_kyc')).toBe('Has Binance KYC')
    expect(titleOf('onchain_action_30d')).toBe('Onchain action (30 days)')
  })
})

describe('operators', () => {
  it('show a time relative to now as such', () => {
    const condition = newCondition('last_active_time', '>=', 'now() - INTERVAL 7 DAY')
    expect(choiceOf(condition, 'time').name).toBe('inLast')
    expect(relativeOf(condition)).toEqual({ direction: 'ago', amount: 7, unit: 'DAY' })
  })

  it('say what each relative choice means, and show it as that choice again', () => {
    for (const choice of choicesOf('time', false).filter((one) => one.editor === 'relative')) {
      const condition = newCondition('last_active_time', '>=', 'now() - INTERVAL 30 DAY')
      Object.assign(condition, withChoice(condition, choice, 'time'))
      expect(choiceOf(condition, 'time').name).toBe(choice.name)
      expect(relativeOf(condition)?.amount).toBe(30)
    }
  })

  it('keep a value that fits the new operator, and only that', () => {
    const [atLeast, , , , , , between] = choicesOf('number', false)
    const condition = newCondition('balance_usd', '>', 5)
    expect(withChoice(condition, atLeast!, 'number').value).toBe(5)
    expect(withChoice(condition, between!, 'number').value).toEqual([null, null])
    const array = newCondition('chains', 'hasAny', ['base'])
    const contains = choicesOf('array', false).find((one) => one.name === 'contains')!
    expect(withChoice(array, contains, 'array').value).toBe('')
  })

  it('show what the builder has no editor for as an expression', () => {
    const condition = { ...newCondition('balance_usd', '>=', '1 + 1'), valueSource: 'expression' as const }
    expect(choiceOf(condition, 'number').editor).toBe('expression')
  })

  it('offer having no value only where that can be', () => {
    const names = (nullable: boolean) => choicesOf('number', nullable).map((choice) => choice.name)
    expect(names(true)).toContain('null')
    expect(names(false)).not.toContain('null')
  })
})

describe('times', () => {
  it('are read in the forms that the server writes', () => {
    expect(parseRelative('now() + INTERVAL 3 MONTH')).toEqual({ direction: 'ahead', amount: 3, unit: 'MONTH' })
    expect(parseRelative('now() - INTERVAL 3 FORTNIGHT')).toBeNull()
    expect(isFixed("toDateTime('2026-11-01 00:00:00')")).toBe(true)
    expect(isFixed('now() - INTERVAL 7 DAY')).toBe(false)
  })

  it('are in the zone of the store', () => {
    const noon = Date.UTC(2026, 6, 1, 12) / 1000
    expect(textOf(noon, 'Asia/Tokyo', false)).toBe('2026-07-01 21:00:00')
    expect(textOf(noon, 'UTC', true)).toBe('2026-07-01')
    for (const zone of ['UTC', 'Asia/Tokyo', 'Europe/Berlin', 'America/New_York']) {
      expect(secondsOf(textOf(noon, zone, false), zone)).toBe(noon)
    }
    expect(secondsOf('no time', 'UTC')).toBeNull()
  })
})
