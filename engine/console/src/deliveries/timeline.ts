// A delivery's life, the newest first: of the audit where one may read it, else of what was asked for and decided.
import type { Approval, AuditRecord, Delivery } from '@/api'
import type { DiffRow } from '@/parts/DiffTable.vue'
import { auditRows } from './changes'

export interface Event {
  key: string
  at: string
  who: string
  /** What was done, in the audit's word. */
  action: string
  comment: string
  changes: DiffRow[]
}

const ASKED: Record<string, string> = { create: 'submit', edit: 'ask_to_edit', cancel: 'ask_to_cancel' }
const DECIDED: Record<string, string> = { approved: 'approve', rejected: 'reject', withdrawn: 'withdraw' }

export function ofAudit(records: readonly AuditRecord[]): Event[] {
  return records
    .toSorted((a, b) => b.id - a.id)
    .map((record) => ({
      key: `a${record.id}`,
      at: record.at,
      who: record.actor,
      action: record.action,
      comment: record.comment,
      changes: record.action === 'update' || record.action === 'ask_to_edit' || record.action === 'rename' ? auditRows(record) : [],
    }))
}

export function ofApprovals(delivery: Pick<Delivery, 'created' | 'creator'>, approvals: readonly Approval[]): Event[] {
  const events: Event[] = [{ key: 'made', at: delivery.created, who: delivery.creator, action: 'create', comment: '', changes: [] }]
  for (const one of approvals) {
    const asked = ASKED[one.kind] ?? one.kind
    events.push({ key: `r${one.id}`, at: one.requested, who: one.requester, action: asked, comment: one.comment, changes: [] })
    if (!one.verdict || !one.decided) continue
    events.push({
      key: `d${one.id}`,
      at: one.decided,
      who: one.decided_by ?? '',
      action: DECIDED[one.verdict] ?? one.verdict,
      comment: one.decision_comment ?? '',
      changes: [],
    })
  }
  // Of what was at the same instant, the later step is the newer.
  return events.reverse().sort((a, b) => Date.parse(b.at) - Date.parse(a.at))
}
