// Which actions a state and a role allow.
import { describe, expect, it } from 'vitest'
import type { Approval, Delivery, DeliveryStatus } from '@/api'
import { needsComment, offersOf } from './actions'

const NOW = new Date('2026-11-21T12:00:00Z')
const maya = { name: 'maya', role: 'approver' } as const
const lin = { name: 'lin', role: 'editor' } as const
const root = { name: 'root', role: 'admin' } as const

function delivery(status: DeliveryStatus, requester?: string, end = '2026-12-01T00:00:00Z') {
  const open = requester === undefined ? null : ({ requester } as Approval)
  return { status, open, end_time: end } as Delivery
}
const names = (status: DeliveryStatus, requester?: string) => offersOf(delivery(status, requester), maya, NOW).map(({ action }) => action)
const blocked = (status: DeliveryStatus, requester: string, me: Parameters<typeof offersOf>[1]) =>
  Object.fromEntries(offersOf(delivery(status, requester), me, NOW).map(({ action, blocked: why }) => [action, why]))

describe('what a state allows', () => {
  it('is to submit, edit and delete what is not live yet', () => {
    expect(names('draft')).toEqual(['submit', 'edit', 'delete'])
    expect(names('unpass')).toEqual(['submit', 'edit', 'delete'])
  })
  it('is not to submit what is over', () => {
    const [submit] = offersOf(delivery('draft', undefined, '2026-11-21T12:00:00Z'), maya, NOW)
    expect(submit).toEqual({ action: 'submit', role: 'editor', blocked: 'endPassed' })
  })
  it('is to decide on what waits', () => {
    expect(names('pending', 'lin')).toEqual(['approve', 'reject', 'withdraw'])
  })
  it('is one request at a time for a live one', () => {
    expect(names('ongoing')).toEqual(['edit', 'cancel'])
    expect(blocked('upcoming', 'lin', maya)).toMatchObject({ approve: undefined, edit: 'alreadyOpen', cancel: 'alreadyOpen' })
  })
  it('is nothing for what is over, but to put away what was asked', () => {
    for (const status of ['ended', 'expired', 'canceled'] as const) expect(names(status)).toEqual([])
    expect(names('expired', 'lin')).toEqual([])
    expect(blocked('ended', 'lin', maya)).toMatchObject({ approve: 'overNow', reject: undefined })
  })
})

describe('who may', () => {
  it('decide is not who asked', () => {
    expect(blocked('pending', 'maya', maya)).toEqual({ approve: 'own', reject: 'own', withdraw: undefined })
    expect(blocked('pending', 'lin', maya)).toEqual({ approve: undefined, reject: undefined, withdraw: 'notYours' })
  })
  it('withdraw is who asked, or an admin', () => {
    expect(blocked('pending', 'lin', lin)['withdraw']).toBeUndefined()
    expect(blocked('pending', 'lin', root)['withdraw']).toBeUndefined()
  })
  it('approve has the role approver, everything else an editor', () => {
    const roles = Object.fromEntries(offersOf(delivery('ongoing', 'lin'), maya, NOW).map(({ action, role }) => [action, role]))
    expect(roles).toEqual({ approve: 'approver', reject: 'approver', withdraw: 'editor', edit: 'editor', cancel: 'editor' })
  })
})

describe('comments', () => {
  it('are needed for what others have to understand later', () => {
    expect((['submit', 'approve', 'reject', 'cancel', 'withdraw'] as const).filter(needsComment)).toEqual(['approve', 'reject', 'cancel'])
  })
})
