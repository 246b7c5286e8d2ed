// The report of a build's gates, as rows of a diff: what each check measured before and after, and what it may move.
import type { GenerationAnswer } from '@/api'
import { number, share } from '@/format'

export type CheckOutcome = 'failed' | 'waived' | 'passed'

export interface Check {
  gate: string
  /** The column or rule; empty for the whole table. */
  of: string
  before: unknown
  after: unknown
  /** How far it moved, as a share of what was; null where that says nothing. */
  moved: number | null
  /** By how much it may move. */
  limit: number | null
  outcome: CheckOutcome
  note: string
}

type Judged = NonNullable<GenerationAnswer['gates']>

export interface GateReport {
  comparedWith: number | null
  checks: Check[]
}

function readCheck(check: Judged['checks'][number]): Check {
  return {
    gate: check.name,
    of: check.of ?? '',
    before: check.before ?? null,
    after: check.after ?? null,
    moved: check.moved ?? null,
    limit: check.limit ?? null,
    outcome: check.result,
    note: check.message ?? '',
  }
}

/** The report in what the server tells of a generation; null where none is kept. */
export function readReport(told: GenerationAnswer | null): GateReport | null {
  if (!told?.gates) return null
  const checks = told.gates.checks.map(readCheck)
  return { comparedWith: told.gates.compared_with ?? null, checks: checks.sort(worstFirst) }
}

const ORDER: Record<CheckOutcome, number> = { failed: 0, waived: 1, passed: 2 }

/** By how many times its limit a check moved. */
export function strain(check: Check): number {
  if (check.moved === null) return check.outcome === 'passed' ? 0 : Infinity
  return Math.abs(check.moved) / (check.limit || 1)
}

function worstFirst(a: Check, b: Check): number {
  const far = strain(b) - strain(a)
  return ORDER[a.outcome] - ORDER[b.outcome] || (Number.isNaN(far) ? 0 : far) || a.gate.localeCompare(b.gate)
}

/** Whether anything is different after. */
export function hasMoved(check: Check): boolean {
  return check.outcome !== 'passed' || check.before !== check.after
}

const SHARES = new Set(['null_rate', 'malformed_json'])

/** A measured value as people read it. */
export function measured(check: Check, given: unknown): string {
  if (typeof given === 'number') return SHARES.has(check.gate) ? share(given) : number(given)
  return typeof given === 'string' && given !== '' ? given : '–'
}

/** A movement as people read it: +12.5 %. */
export function movement(moved: number | null): string {
  if (moved === null) return '–'
  if (moved === 0) return '±0'
  return `${moved > 0 ? '+' : '−'}${share(Math.abs(moved))}`
}
