// What a record of the audit says was changed.
import { describe, expect, it } from 'vitest'
import type { AuditRecord } from '@/api'
import { changedFields } from './history'

const record = (before: object | null, after: object | null) => ({ before, after }) as unknown as AuditRecord

describe('changed fields', () => {
  it('leave out what the machine keeps', () => {
    const before = { name: 'a', rule: 'x', version: 1, updated_us: 1, updated_by: 'm' }
    const after = { name: 'a', rule: 'y', version: 2, updated_us: 2, updated_by: 'l' }
    expect(changedFields(record(before, after))).toEqual([{ field: 'rule', before: 'x', after: 'y' }])
  })
  it('of a new label are those that say something', () => {
    const after = { name: 'a', description: '', rule: 'x', enabled: true, private: false, predefined: false, list_users: 0 }
    expect(changedFields(record(null, after)).map(({ field }) => field)).toEqual(['name', 'rule', 'enabled'])
  })
  it('of a deleted label are all that it had', () => {
    expect(changedFields(record({ name: 'a' }, null))).toEqual([{ field: 'name', before: 'a', after: null }])
  })
})
