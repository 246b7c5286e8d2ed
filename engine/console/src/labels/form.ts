// A label as a form holds it, what is wrong with it, and the request that saves it.
import type { Label, LabelRequest } from '@/api'

export interface LabelForm {
  name: string
  description: string
  rule: string
  private: boolean
  enabled: boolean
}

export const NAME_MAX = 200

export function formOf(label: Label | null): LabelForm {
  return {
    name: label?.name ?? '',
    description: label?.description ?? '',
    rule: label?.rule ?? '',
    private: label?.private ?? false,
    enabled: label ? label.status === 'enabled' : true,
  }
}

export type LabelFault = 'nameMissing' | 'nameLong' | 'ruleMissing'

/** What is wrong, by field. */
export function faultsOf(form: LabelForm, isList: boolean): { name?: LabelFault; rule?: LabelFault } {
  const faults: { name?: LabelFault; rule?: LabelFault } = {}
  const name = form.name.trim()
  if (name === '') faults.name = 'nameMissing'
  else if ([...name].length > NAME_MAX) faults.name = 'nameLong'
  if (!isList && form.rule.trim() === '') faults.rule = 'ruleMissing'
  return faults
}

/** The request that saves all of it; `version` is what it is based on, of a label that is there. */
export function requestOf(form: LabelForm, isList: boolean, version?: number): LabelRequest {
  const request: LabelRequest = {
    name: form.name.trim(),
    description: form.description.trim(),
    private: form.private,
    status: form.enabled ? 'enabled' : 'disabled',
  }
  if (!isList) request.rule = form.rule.trim()
  if (version !== undefined) request.version = version
  return request
}

/** Fields that people compare when two saves conflict. */
export const LABEL_FIELDS = ['name', 'description', 'rule', 'private', 'status'] as const

/** A form in the words of a label, to be compared with one. */
export function asRecord(form: LabelForm, isList: boolean): Record<string, unknown> {
  const { version: _version, ...rest } = requestOf(form, isList)
  return { ...rest }
}
