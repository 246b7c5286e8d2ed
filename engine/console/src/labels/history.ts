// The audit of a label as a story: who did what, and which fields changed.
import type { AuditRecord } from '@/api'
import { differences, type Difference } from '@/parts/versions'

/** Fields that people read; the others are of the machine. */
const FIELDS = ['name', 'description', 'rule', 'enabled', 'private', 'predefined', 'list_users']

/** The fields that a record says were changed; of a new label, those that say something. */
export function changedFields(record: AuditRecord): Difference[] {
  const found = differences(record.before, record.after, FIELDS)
  return record.before ? found : found.filter(({ after }) => after !== '' && after !== false && after !== 0)
}
