// A delivery as a form holds it, what is wrong with it, and the requests that save it or ask whom it would reach.
import type { DeliveryContent, DeliveryRequest } from '@/api'
import type { PickedLabel } from '@/labels/picked'

export interface DeliveryForm {
  name: string
  targetKind: 'label' | 'rule'
  /** One label, or none yet. */
  label: PickedLabel[]
  rule: string
  exclude: PickedLabel[]
  hasHoldout: boolean
  salt: string
  from: number | null
  to: number | null
  contentType: 'onchain_task' | 'custom'
  contentId: string
  image: string
  url: string
  start: Date | null
  end: Date | null
  priority: number | null
  placement: string
  dailyCap: number | null
  totalCap: number | null
}

export type Fault =
  | 'nameMissing'
  | 'tooLong'
  | 'labelMissing'
  | 'ruleMissing'
  | 'excludeMany'
  | 'saltMissing'
  | 'range'
  | 'taskMissing'
  | 'imageMissing'
  | 'urlMissing'
  | 'addressLong'
  | 'startMissing'
  | 'endMissing'
  | 'endBeforeStart'
  | 'endPassed'
  | 'cap'
  | 'priority'

/** Fields as the server names them, so that its refusals find their place as well. */
export type FaultField =
  | 'name'
  | 'target'
  | 'exclude'
  | 'holdout'
  | 'content_id'
  | 'custom_image'
  | 'custom_url'
  | 'start_time'
  | 'end_time'
  | 'priority'
  | 'placement'
  | 'daily_cap'
  | 'total_cap'
export type Faults = Partial<Record<FaultField, Fault>>

const SHORT_MAX = 200
const ADDRESS_MAX = 4096
const EXCLUDED_MAX = 100

export function formOf(content: DeliveryContent | null): DeliveryForm {
  const target = content?.target
  const labelId = content?.target_label_id
  return {
    name: content?.name ?? '',
    targetKind: target?.rule ? 'rule' : 'label',
    label: labelId && target?.label ? [{ id: labelId, name: target.label }] : [],
    rule: target?.rule ?? '',
    exclude: (content?.exclude ?? []).flatMap(({ label, label_id }) => (label_id ? [{ id: label_id, name: label ?? '' }] : [])),
    hasHoldout: !!content?.holdout,
    salt: content?.holdout?.salt ?? '',
    from: content?.holdout?.from_percent ?? 0,
    to: content?.holdout?.to_percent ?? 10,
    contentType: content?.content_type ?? 'onchain_task',
    contentId: content?.content_id ?? '',
    image: content?.custom_image ?? '',
    url: content?.custom_url ?? '',
    start: content ? new Date(content.start_time) : null,
    end: content ? new Date(content.end_time) : null,
    priority: content?.priority ?? 0,
    placement: content?.placement ?? '',
    dailyCap: content?.daily_cap ?? null,
    totalCap: content?.total_cap ?? null,
  }
}

/** Days that a new delivery is shown unless somebody says otherwise. */
const USUAL_DAYS = 14

/** When a new delivery is shown unless somebody says otherwise: from the next full hour, for two weeks. */
export function usualPlan(now: Date): Pick<DeliveryForm, 'start' | 'end'> {
  const start = new Date(now)
  start.setHours(now.getHours() + 1, 0, 0, 0)
  const end = new Date(start)
  end.setDate(start.getDate() + USUAL_DAYS)
  return { start, end }
}

/** What is wrong, by field. */
export function faultsOf(form: DeliveryForm, now: Date): Faults {
  const faults: Faults = {}
  const note = (field: FaultField, fault: Fault | false) => {
    if (fault) faults[field] ??= fault
  }
  note('name', short(form.name, 'nameMissing'))
  note('target', form.targetKind === 'label' ? form.label.length === 0 && 'labelMissing' : form.rule.trim() === '' && 'ruleMissing')
  note('exclude', form.exclude.length > EXCLUDED_MAX && 'excludeMany')
  if (form.hasHoldout) {
    note('holdout', short(form.salt, 'saltMissing'))
    const { from, to } = form
    note('holdout', (from === null || to === null || from < 0 || to > 100 || from >= to) && 'range')
  }
  if (form.contentType === 'onchain_task') note('content_id', short(form.contentId, 'taskMissing'))
  else {
    note('custom_image', address(form.image, 'imageMissing'))
    note('custom_url', address(form.url, 'urlMissing'))
  }
  note('start_time', form.start === null && 'startMissing')
  note('end_time', form.end === null && 'endMissing')
  note('end_time', form.start !== null && form.end !== null && form.end <= form.start && 'endBeforeStart')
  note('end_time', form.end !== null && form.end <= now && 'endPassed')
  note('priority', !Number.isInteger(form.priority) && 'priority')
  note('placement', [...form.placement.trim()].length > SHORT_MAX && 'tooLong')
  note('daily_cap', !isCap(form.dailyCap) && 'cap')
  note('total_cap', !isCap(form.totalCap) && 'cap')
  return faults
}

function short(text: string, missing: Fault): Fault | false {
  const chars = [...text.trim()].length
  return chars === 0 ? missing : chars > SHORT_MAX && 'tooLong'
}
function address(text: string, missing: Fault): Fault | false {
  return text.trim() === '' ? missing : new TextEncoder().encode(text.trim()).length > ADDRESS_MAX && 'addressLong'
}
const isCap = (cap: number | null) => cap === null || (Number.isInteger(cap) && cap >= 1)

/** The request that saves all of a form without faults. */
export function requestOf(form: DeliveryForm): DeliveryRequest {
  const isTask = form.contentType === 'onchain_task'
  return {
    name: form.name.trim(),
    ...audienceOf(form),
    content_type: form.contentType,
    ...(isTask ? { content_id: form.contentId.trim() } : { custom_image: form.image.trim(), custom_url: form.url.trim() }),
    ...(form.start ? { start_time: form.start.toISOString() } : {}),
    ...(form.end ? { end_time: form.end.toISOString() } : {}),
    priority: form.priority ?? 0,
    placement: form.placement.trim(),
    daily_cap: form.dailyCap,
    total_cap: form.totalCap,
  }
}

function audienceOf(form: DeliveryForm): Pick<DeliveryRequest, 'target' | 'exclude' | 'holdout'> {
  const [label] = form.label
  return {
    ...(form.targetKind === 'rule' ? { target: { rule: form.rule.trim() } } : label ? { target: { label_id: label.id } } : {}),
    exclude: form.exclude.map(({ id }) => ({ label_id: id })),
    holdout: form.hasHoldout ? { salt: form.salt.trim(), from_percent: form.from ?? 0, to_percent: form.to ?? 0 } : null,
  }
}

/** The request that tells whom a form would reach, of what is right in it so far; null while there is no audience. */
export function reachOf(form: DeliveryForm, now: Date): DeliveryRequest | null {
  const faults = faultsOf(form, now)
  if (faults.target) return null
  const { holdout, ...audience } = audienceOf(form)
  const request: DeliveryRequest = { ...audience, priority: form.priority ?? 0, placement: form.placement.trim() }
  if (holdout && !faults.holdout) request.holdout = holdout
  if (form.start && form.end && form.start < form.end) {
    request.start_time = form.start.toISOString()
    request.end_time = form.end.toISOString()
  }
  return request
}
