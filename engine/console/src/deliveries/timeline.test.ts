// A delivery's life, and what its versions differ in.
import { describe, expect, it } from 'vitest'
import type { Approval, AuditRecord, DeliveryContent } from '@/api'
import { auditRows, changeRows } from './changes'
import { ofApprovals, ofAudit } from './timeline'

const CONTENT: DeliveryContent = {
  name: 'a',
  target: { label: 'whales' },
  target_label_id: 4,
  exclude: [{ label: 'bots', label_id: 10 }],
  holdout: null,
  content_type: 'onchain_task',
  content_id: 'task-1',
  start_time: '2026-11-20T00:00:00Z',
  end_time: '2026-12-20T00:00:00Z',
  priority: 1,
  placement: '',
}
const BODY = {
  name: 'a',
  target: { label: { id: 4, name: 'whales' } },
  exclude: [{ id: 10, name: 'bots' }],
  holdout: null,
  content: { onchain_task: { content_id: 'task-1' } },
  start_us: Date.parse(CONTENT.start_time) * 1000,
  end_us: Date.parse(CONTENT.end_time) * 1000,
  priority: 1,
  placement: '',
  daily_cap: null,
  total_cap: null,
}

describe('two versions', () => {
  it('are the same when they say the same', () => {
    expect(changeRows(CONTENT, { ...CONTENT, start_time: '2026-11-20T00:00:00.000Z', custom_image: '', daily_cap: null })).toEqual([])
  })
  it('differ field by field, in words', () => {
    const after: DeliveryContent = { ...CONTENT, exclude: [], priority: 5, holdout: { salt: 's', from_percent: 0, to_percent: 10 } }
    expect(changeRows(CONTENT, after).map(({ name, before, after: is }) => [name, before, is])).toEqual([
      ['Excluded labels', 'bots', null],
      ['Holdout', null, '0 % to 10 % of the draw “s”'],
      ['Priority', '1', '5'],
    ])
  })
  it('are read from what the audit keeps', () => {
    const after = { body: { ...BODY, content: { custom: { image: 'i', url: 'u' } }, holdout: { salt: 's', low: 0, high: 1050 } } }
    const record = { action: 'update', before: { body: BODY }, after } as unknown as AuditRecord
    expect(auditRows(record).map(({ name, after: is }) => [name, is])).toEqual([
      ['Holdout', '0 % to 10.5 % of the draw “s”'],
      ['Content', 'Image with a link'],
      ['Task', null],
      ['Image', 'i'],
      ['Link', 'u'],
    ])
  })
  it('of a change that is asked for are what is and what would be', () => {
    const after = { body: BODY, open: { body: { ...BODY, priority: 9 } } }
    const record = { action: 'ask_to_edit', before: { body: BODY }, after } as unknown as AuditRecord
    expect(auditRows(record)).toMatchObject([{ name: 'Priority', before: '1', after: '9' }])
  })
})

describe('the timeline', () => {
  const asked = { id: 1, kind: 'create', requester: 'maya', requested: '2026-11-21T10:00:00Z', comment: 'please' }
  const approvals = [
    { ...asked, verdict: 'rejected', decided: '2026-11-21T11:00:00Z', decided_by: 'lin', decision_comment: 'no' },
    { ...asked, id: 2, requested: '2026-11-21T12:00:00Z' },
  ] as Approval[]

  it('of approvals tells what was asked and decided, the newest first', () => {
    const events = ofApprovals({ created: '2026-11-21T09:00:00Z', creator: 'maya' }, approvals)
    expect(events.map(({ who, action }) => `${who} ${action}`)).toEqual(['maya submit', 'lin reject', 'maya submit', 'maya create'])
    expect(events[1]?.comment).toBe('no')
  })
  it('of the audit is in the order of its records', () => {
    const records = [3, 9, 4].map((id) => ({ id, at: '2026-11-21T09:00:00Z', actor: 'm', action: 'submit', comment: '' })) as AuditRecord[]
    expect(ofAudit(records).map(({ key }) => key)).toEqual(['a9', 'a4', 'a3'])
  })
})
