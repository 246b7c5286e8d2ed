// Operators in words: "at least" for `>=` of a number, "since" for `>=` of a time.
import type { Kind } from '@/rule/fields'

const KEYS: Record<string, string> = {
  '>=': 'atLeast',
  '<=': 'atMost',
  '>': 'moreThan',
  '<': 'lessThan',
  '=': 'is',
  '!=': 'isNot',
  in: 'anyOf',
  notIn: 'noneOf',
}

const TIMES: Record<string, string> = { '>=': 'since', '<': 'before', '>': 'after', '<=': 'until' }

export function wordOf(t: (key: string) => string, kind: Kind, operator: string): string {
  if (kind === 'time' && TIMES[operator]) return t(`builder.op.${TIMES[operator]}`)
  if (kind === 'label' && operator === 'in') return t('builder.op.inLabel')
  if (kind === 'label' && operator === 'notIn') return t('builder.op.notInLabel')
  if (kind === 'map' && operator === 'doesNotContain') return t('builder.op.mapLacks')
  if (kind === 'array' && operator === 'doesNotContain') return t('builder.op.arrayLacks')
  if (kind === 'array' && operator === 'contains') return t('builder.op.arrayHas')
  return t(`builder.op.${KEYS[operator] ?? operator}`)
}
