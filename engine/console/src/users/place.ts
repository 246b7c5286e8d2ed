// Where in a rule something is wrong: its text before, at and after the place, to be shown with a mark.
import { ApiProblem } from '@/api'

export interface Place {
  before: string
  at: string
  after: string
}

/** The line of a rule that a problem names, cut at its place; null where no place in a rule is told. */
export function placeOf(problem: unknown, rule: string): Place | null {
  if (!(problem instanceof ApiProblem) || problem.kind !== 'bad_rule' || !problem.problem.position) return null
  const { line, column } = problem.problem.position
  const text = [...(rule.split('\n')[line - 1] ?? '')]
  const start = Math.min(Math.max(column - 1, 0), text.length)
  const rest = text.slice(start).join('')
  const at = /^(?:[\p{L}\p{N}_]+|'[^']*'?|.)/u.exec(rest)?.[0] ?? ''
  return { before: text.slice(0, start).join(''), at, after: rest.slice(at.length) }
}
