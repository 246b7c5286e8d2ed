// Why a user is in a segment or not: the explained rule as rows to read, each with its outcome and the user's values.
import type { ExplainedCondition, Outcome } from '@/api'

/** What holds the conditions of a row together; a condition alone has none. */
export type Joint = 'all' | 'any' | 'atLeast' | 'not' | null

export interface Reason {
  depth: number
  /** The condition as text. */
  rule: string
  joint: Joint
  /** How many of the conditions must hold, of `atLeast`. */
  k: number
  outcome: Outcome
  /** The user's values that it looks at, by feature. */
  values: [string, unknown][]
  /** Whether it is one of those that made the answer what it is. */
  decides: boolean
}

/** What joins the conditions inside a condition. */
export function jointOf(node: ExplainedCondition): { joint: Joint; k: number } {
  if (node.conditions.length === 0) return { joint: null, k: 0 }
  const rest = between(node)
  const atLeast = /^at_least\(\s*(\d+)/.exec(rest)
  if (atLeast) return { joint: 'atLeast', k: Number(atLeast[1]) }
  if (node.conditions.length === 1) return { joint: /^NOT\b/.test(rest) ? 'not' : 'all', k: 0 }
  return { joint: /\bOR\b/.test(rest) ? 'any' : 'all', k: 0 }
}

/** What is left of a condition's text without the conditions inside it. */
function between(node: ExplainedCondition): string {
  let at = 0
  let left = ''
  for (const part of node.conditions) {
    const found = node.rule.indexOf(part.rule, at)
    if (found < 0) continue
    left += node.rule.slice(at, found)
    at = found + part.rule.length
  }
  return left + node.rule.slice(at)
}

/** The rows of an explained rule, from the outermost condition inwards. */
export function reasons(root: ExplainedCondition): Reason[] {
  const rows: Reason[] = []
  walk(root, 0, true, rows)
  return rows
}

function walk(node: ExplainedCondition, depth: number, decides: boolean, rows: Reason[]): void {
  const { joint, k } = jointOf(node)
  const inner = node.conditions[0]
  // "Not this one condition" reads best in one row.
  if (joint === 'not' && inner && inner.conditions.length === 0) {
    rows.push({ depth, rule: node.rule, joint: null, k: 0, outcome: node.outcome, values: valuesOf(inner), decides })
    return
  }
  rows.push({ depth, rule: node.rule, joint, k, outcome: node.outcome, values: valuesOf(node), decides })
  for (const part of node.conditions) walk(part, depth + 1, decides && matters(joint, node.outcome, part.outcome), rows)
}

function valuesOf(node: ExplainedCondition): [string, unknown][] {
  return Object.entries(node.features ?? {})
}

/** Whether a condition with this outcome is a reason for the outcome of what it is in. */
function matters(joint: Joint, whole: Outcome, part: Outcome): boolean {
  switch (joint) {
    case 'all':
      return whole === 'true' || part !== 'true'
    case 'any':
      return whole !== 'true' || part === 'true'
    case 'atLeast':
      return whole === 'true' ? part === 'true' : part !== 'true'
    default:
      return true
  }
}
