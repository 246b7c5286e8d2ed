// What a condition can ask of each kind of field. An operator here is one choice of the builder's menu; some stand for an operator of
// the rule language with a value of a certain form ("in the last 7 days" is `>=` with `now() - INTERVAL 7 DAY`).
import type { Condition } from './tree'
import type { Kind } from './fields'
import { ago, ahead, parseRelative, type Relative } from './time'

/** How the value of an operator is edited. */
export type Editor =
  | 'none'
  | 'flag'
  | 'number'
  | 'range'
  | 'text'
  | 'pick'
  | 'relative'
  | 'instant'
  | 'period'
  | 'labels'
  | 'bucket'
  | 'ids'
  | 'expression'

export interface Choice {
  /** Its name, which the translations know. */
  name: string
  editor: Editor
}

const choice = (name: string, editor: Editor): Choice => ({ name, editor })

const ORDER = [
  choice('>=', 'number'),
  choice('<=', 'number'),
  choice('>', 'number'),
  choice('<', 'number'),
  choice('=', 'number'),
  choice('!=', 'number'),
  choice('between', 'range'),
  choice('notBetween', 'range'),
]
const PRESENCE = [choice('notNull', 'none'), choice('null', 'none')]

const CHOICES: Record<Kind, Choice[]> = {
  bool: [choice('=', 'flag')],
  number: [...ORDER, choice('in', 'pick'), choice('notIn', 'pick')],
  text: [
    choice('in', 'pick'),
    choice('notIn', 'pick'),
    choice('contains', 'text'),
    choice('doesNotContain', 'text'),
    choice('beginsWith', 'text'),
    choice('doesNotBeginWith', 'text'),
    choice('endsWith', 'text'),
    choice('=', 'text'),
    choice('!=', 'text'),
    choice('like', 'text'),
    choice('notLike', 'text'),
    choice('ilike', 'text'),
    choice('notIlike', 'text'),
  ],
  time: [
    choice('inLast', 'relative'),
    choice('beforeLast', 'relative'),
    choice('inNext', 'relative'),
    choice('afterNext', 'relative'),
    choice('>=', 'instant'),
    choice('<', 'instant'),
    choice('>', 'instant'),
    choice('<=', 'instant'),
    choice('between', 'period'),
    choice('notBetween', 'period'),
  ],
  array: [
    choice('hasAny', 'pick'),
    choice('hasAll', 'pick'),
    choice('contains', 'pick'),
    choice('doesNotContain', 'pick'),
    choice('notEmpty', 'none'),
    choice('empty', 'none'),
  ],
  map: [choice('mapContains', 'pick'), choice('doesNotContain', 'pick')],
  label: [choice('in', 'labels'), choice('notIn', 'labels')],
  bucket: [choice('bucket', 'bucket')],
  user: [choice('in', 'ids'), choice('notIn', 'ids')],
  other: [choice('=', 'expression'), choice('!=', 'expression')],
}

/** The choices for a kind of field. */
export function choicesOf(kind: Kind, nullable: boolean): Choice[] {
  const presence = nullable && !['label', 'bucket', 'user'].includes(kind) ? PRESENCE : []
  return [...CHOICES[kind], ...presence]
}

/** Operators of one value only, although their editor picks several. */
const SINGLE = new Set(['contains', 'doesNotContain', 'mapContains'])

export function picksOne(choice: string): boolean {
  return SINGLE.has(choice)
}

/** Which choice a condition shows as. */
export function choiceOf(condition: Condition, kind: Kind): Choice {
  const { operator, value } = condition
  const named = (name: string, editor: Editor): Choice => ({ name, editor })
  if (operator === 'null' || operator === 'notNull') return named(operator, 'none')
  if (condition.valueSource) return named(operator, 'expression')
  if (kind === 'time') {
    const relative = typeof value === 'string' ? parseRelative(value) : null
    if (relative?.direction === 'ago' && operator === '>=') return named('inLast', 'relative')
    if (relative?.direction === 'ago' && operator === '<') return named('beforeLast', 'relative')
    if (relative?.direction === 'ahead' && operator === '<=') return named('inNext', 'relative')
    if (relative?.direction === 'ahead' && operator === '>') return named('afterNext', 'relative')
    const between = betweenNow(condition)
    if (between) return named('inNext', 'relative')
  }
  if (kind === 'label') return named(operator === '!=' || operator === 'notIn' ? 'notIn' : 'in', 'labels')
  if (kind === 'user' && (operator === '=' || operator === '!=')) return named(operator === '=' ? 'in' : 'notIn', 'ids')
  const known = CHOICES[kind].find((one) => one.name === operator)
  return known ?? named(operator, 'expression')
}

/** The end of "from now until then", if the condition says that. */
function betweenNow(condition: Condition): Relative | null {
  const { operator, value } = condition
  if (operator !== 'between' || !Array.isArray(value) || value[0] !== 'now()') return null
  const relative = typeof value[1] === 'string' ? parseRelative(value[1]) : null
  return relative?.direction === 'ahead' ? relative : null
}

/** How long ago or ahead a condition says. */
export function relativeOf(condition: Condition): Relative | null {
  if (typeof condition.value === 'string') return parseRelative(condition.value)
  return betweenNow(condition)
}

/** The condition's operator and value for a choice, with what can be kept of the value that is there. */
export function withChoice(condition: Condition, to: Choice, kind: Kind): Pick<Condition, 'operator' | 'value' | 'valueSource'> {
  const from = choiceOf(condition, kind)
  const keeps = from.editor === to.editor
  if (to.editor === 'relative') {
    const relative = keeps ? relativeOf(condition) : null
    return relativeCondition(to.name, relative ?? { direction: 'ago', amount: 30, unit: 'DAY' })
  }
  const same = keeps && picksOne(from.name) === picksOne(to.name)
  return { operator: to.name, value: same ? condition.value : emptyValue(to), valueSource: same ? condition.valueSource : undefined }
}

/** The operator and value that say a time relative to now. */
export function relativeCondition(choice: string, at: Relative): Pick<Condition, 'operator' | 'value' | 'valueSource'> {
  const past = choice === 'inLast' || choice === 'beforeLast'
  const value = past ? ago(at.amount, at.unit) : ahead(at.amount, at.unit)
  if (choice === 'inNext') return { operator: 'between', value: ['now()', value], valueSource: undefined }
  const operator = choice === 'inLast' ? '>=' : choice === 'beforeLast' ? '<' : '>'
  return { operator, value, valueSource: undefined }
}

/** The value that an operator starts with. */
export function emptyValue(choice: Choice): unknown {
  switch (choice.editor) {
    case 'none':
      return null
    case 'flag':
      return true
    case 'range':
    case 'period':
      return [null, null]
    case 'pick':
      return picksOne(choice.name) ? '' : []
    case 'labels':
    case 'ids':
      return []
    case 'bucket':
      return ['', 0, 10]
    case 'relative':
      return ago(30, 'DAY')
    case 'instant':
      return ''
    case 'number':
      return null
    case 'text':
    case 'expression':
      return ''
  }
}

/** Whether a condition says enough to be counted. */
export function isComplete(condition: Condition, kind: Kind): boolean {
  if (condition.field === '') return false
  const { editor } = choiceOf(condition, kind)
  const { value } = condition
  const filled = (one: unknown) => one !== null && one !== undefined && one !== ''
  switch (editor) {
    case 'none':
      return true
    case 'range':
    case 'period':
      return Array.isArray(value) && value.length === 2 && value.every(filled)
    case 'pick':
    case 'labels':
    case 'ids':
      return Array.isArray(value) ? value.length > 0 : filled(value)
    case 'bucket':
      return Array.isArray(value) && filled(value[0]) && Number(value[1]) < Number(value[2])
    default:
      return filled(value)
  }
}
