// A delivery's form: what is wrong with it, what saves it, whom it would reach.
import { describe, expect, it } from 'vitest'
import type { DeliveryContent } from '@/api'
import { faultsOf, formOf, reachOf, requestOf, usualPlan, type DeliveryForm } from './form'

const NOW = new Date('2026-11-21T12:34:56Z')
const CONTENT: DeliveryContent = {
  name: 'swap',
  target: { label: 'whales' },
  target_label_id: 4,
  exclude: [{ label: 'bots', label_id: 10 }],
  holdout: { salt: 'exp-42', from_percent: 0, to_percent: 10 },
  content_type: 'custom',
  custom_image: 'https://a/i.png',
  custom_url: 'https://a/',
  start_time: '2026-11-20T00:00:00Z',
  end_time: '2026-12-20T00:00:00Z',
  priority: 10,
  placement: 'home',
  daily_cap: 3,
  total_cap: null,
}
const good = (change: Partial<DeliveryForm> = {}): DeliveryForm => ({ ...formOf(CONTENT), ...change })

describe('a delivery and its form', () => {
  it('say the same', () => {
    expect(requestOf(good())).toEqual({
      name: 'swap',
      target: { label_id: 4 },
      exclude: [{ label_id: 10 }],
      holdout: { salt: 'exp-42', from_percent: 0, to_percent: 10 },
      content_type: 'custom',
      custom_image: 'https://a/i.png',
      custom_url: 'https://a/',
      start_time: '2026-11-20T00:00:00.000Z',
      end_time: '2026-12-20T00:00:00.000Z',
      priority: 10,
      placement: 'home',
      daily_cap: 3,
      total_cap: null,
    })
  })
  it('send nothing of what is not chosen', () => {
    const request = requestOf(good({ contentType: 'onchain_task', contentId: ' task-1 ', targetKind: 'rule', rule: 'has_poh', hasHoldout: false }))
    expect(request).toMatchObject({ content_id: 'task-1', target: { rule: 'has_poh' }, holdout: null })
    expect(request).not.toHaveProperty('custom_image')
  })
})

describe('faults', () => {
  it('are none of a good form', () => {
    expect(faultsOf(good(), NOW)).toEqual({})
  })
  it('are all that is missing of a new one', () => {
    expect(faultsOf(formOf(null), NOW)).toEqual({
      name: 'nameMissing',
      target: 'labelMissing',
      content_id: 'taskMissing',
      start_time: 'startMissing',
      end_time: 'endMissing',
    })
    expect(faultsOf({ ...formOf(null), ...usualPlan(NOW) }, NOW)).not.toHaveProperty('end_time')
  })
  it.each<[Partial<DeliveryForm>, object]>([
    [{ targetKind: 'rule', rule: ' ' }, { target: 'ruleMissing' }],
    [{ end: new Date('2026-11-19T00:00:00Z') }, { end_time: 'endBeforeStart' }],
    [{ end: NOW }, { end_time: 'endPassed' }],
    [{ salt: '' }, { holdout: 'saltMissing' }],
    [{ from: 10, to: 10 }, { holdout: 'range' }],
    [{ to: 101 }, { holdout: 'range' }],
    [{ image: '', url: ' ' }, { custom_image: 'imageMissing', custom_url: 'urlMissing' }],
    [{ dailyCap: 0, totalCap: 1.5 }, { daily_cap: 'cap', total_cap: 'cap' }],
    [{ priority: null }, { priority: 'priority' }],
    [{ name: 'x'.repeat(201) }, { name: 'tooLong' }],
    [{ exclude: Array.from({ length: 101 }, (_, id) => ({ id, name: '' })) }, { exclude: 'excludeMany' }],
  ])('of %j are %j', (change, faults) => {
    expect(faultsOf(good(change), NOW)).toEqual(faults)
  })
})

describe('whom it would reach', () => {
  it('is not asked without an audience', () => {
    expect(reachOf(formOf(null), NOW)).toBeNull()
  })
  it('is asked with what is right so far', () => {
    const request = reachOf(good({ to: 0, end: null, name: '' }), NOW)
    expect(request).toEqual({ target: { label_id: 4 }, exclude: [{ label_id: 10 }], priority: 10, placement: 'home' })
  })
})
