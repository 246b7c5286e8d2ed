// Deliveries in two versions, field by field, in words.
import type { AuditRecord, DeliveryContent } from '@/api'
import { i18n } from '@/i18n'
import { time } from '@/format'
import type { DiffRow } from '@/parts/DiffTable.vue'
import { differences } from '@/parts/versions'

export const DELIVERY_FIELDS = [
  'name',
  'target',
  'exclude',
  'holdout',
  'content_type',
  'content_id',
  'custom_image',
  'custom_url',
  'start_time',
  'end_time',
  'priority',
  'placement',
  'daily_cap',
  'total_cap',
] as const
type Field = (typeof DELIVERY_FIELDS)[number]

type Content = Partial<DeliveryContent>

/** Rows of what differs, ready to be shown. */
export function changeRows(before: Content | null | undefined, after: Content | null | undefined): DiffRow[] {
  return differences(comparable(before), comparable(after), DELIVERY_FIELDS).map(({ field }) => ({
    name: i18n.global.t(`deliveries.field.${field}`),
    before: words(field as Field, before),
    after: words(field as Field, after),
    rule: field === 'target' && !!before?.target?.rule && !!after?.target?.rule,
  }))
}

/** The same content is the same text: times as instants, labels in order, empty texts as none. */
function comparable(content: Content | null | undefined): Record<string, unknown> | null {
  if (!content) return null
  const instant = (at: string | undefined) => (at === undefined ? null : new Date(at).getTime())
  return {
    ...content,
    exclude: (content.exclude ?? []).map(({ label_id, label }) => label_id ?? label).sort(),
    start_time: instant(content.start_time),
    end_time: instant(content.end_time),
    content_id: content.content_id || null,
    custom_image: content.custom_image || null,
    custom_url: content.custom_url || null,
    placement: content.placement || null,
  }
}

/** A field's value in words; null where it has none. */
export function words(field: Field, content: Content | null | undefined): string | null {
  if (!content) return null
  const t = i18n.global.t
  switch (field) {
    case 'target':
      return content.target?.label ?? content.target?.rule ?? null
    case 'exclude':
      return (content.exclude ?? []).map(({ label }) => label).join(', ') || null
    case 'holdout': {
      const holdout = content.holdout
      return holdout ? t('deliveries.holdoutText', { salt: holdout.salt, from: holdout.from_percent, to: holdout.to_percent }) : null
    }
    case 'content_type':
      return content.content_type ? t(`deliveries.contentType.${content.content_type}`) : null
    case 'start_time':
    case 'end_time':
      return content[field] ? time(content[field]) : null
    default: {
      const value = content[field]
      return value === null || value === undefined || value === '' ? null : String(value)
    }
  }
}

/** A delivery's body as the audit keeps it. */
interface KeptLabel {
  id: number
  name: string
}
interface KeptBody {
  name: string
  target: { label?: KeptLabel; rule?: string }
  exclude: KeptLabel[]
  holdout: { salt: string; low: number; high: number } | null
  content: { onchain_task?: { content_id: string }; custom?: { image: string; url: string } }
  start_us: number
  end_us: number
  priority: number
  placement: string
  daily_cap: number | null
  total_cap: number | null
}

function contentOf(body: KeptBody): Content {
  const { target, content, holdout } = body
  const instant = (us: number) => new Date(us / 1000).toISOString()
  return {
    name: body.name,
    target: target.label ? { label: target.label.name } : { rule: target.rule ?? '' },
    exclude: body.exclude.map(({ id, name }) => ({ label_id: id, label: name })),
    holdout: holdout ? { salt: holdout.salt, from_percent: holdout.low / 100, to_percent: holdout.high / 100 } : null,
    content_type: content.custom ? 'custom' : 'onchain_task',
    content_id: content.onchain_task?.content_id ?? null,
    custom_image: content.custom?.image ?? null,
    custom_url: content.custom?.url ?? null,
    start_time: instant(body.start_us),
    end_time: instant(body.end_us),
    priority: body.priority,
    placement: body.placement,
    daily_cap: body.daily_cap,
    total_cap: body.total_cap,
  }
}

/** What a record of the audit says was changed, or was asked to be changed. */
export function auditRows(record: Pick<AuditRecord, 'action' | 'before' | 'after'>): DiffRow[] {
  const body = (kept: unknown) => (kept as { body?: KeptBody } | null)?.body
  const before = body(record.before)
  const asked = (record.after as { open?: { body?: KeptBody } | null } | null)?.open?.body
  const after = record.action === 'ask_to_edit' ? asked : body(record.after)
  if (!before || !after) return []
  return changeRows(contentOf(before), contentOf(after))
}
