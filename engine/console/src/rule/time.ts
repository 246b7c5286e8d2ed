// Times in rules: relative to now, as `now() - INTERVAL 7 DAY`, or fixed, as '2026-11-01 00:00:00' in the store's zone.

export const UNITS = ['MINUTE', 'HOUR', 'DAY', 'WEEK', 'MONTH', 'YEAR'] as const
export type Unit = (typeof UNITS)[number]

export interface Relative {
  direction: 'ago' | 'ahead'
  amount: number
  unit: Unit
}

export const ago = (amount: number, unit: Unit): string => `now() - INTERVAL ${amount} ${unit}`
export const ahead = (amount: number, unit: Unit): string => `now() + INTERVAL ${amount} ${unit}`

/** Reads a time relative to now, in the form that the builder writes. */
export function parseRelative(text: string): Relative | null {
  const found = /^now\(\)\s*([-+])\s*INTERVAL\s+'?(\d+)'?\s+(MINUTE|HOUR|DAY|WEEK|MONTH|YEAR)$/i.exec(text.trim())
  if (!found) return null
  return {
    direction: found[1] === '-' ? 'ago' : 'ahead',
    amount: Number(found[2]),
    unit: found[3]!.toUpperCase() as Unit,
  }
}

/** Takes what functions wrap a fixed time in away: `toDateTime('2026-11-01 00:00:00')` is `2026-11-01 00:00:00`. */
export function fixedOf(value: unknown): string {
  if (typeof value !== 'string') return ''
  const wrapped = /^(?:toDateTime|toDate|TIMESTAMP|DATE)\s*\(?\s*'([^']*)'\s*\)?$/i.exec(value)
  return wrapped?.[1] ?? value
}

/** Whether a text is a fixed time that a date picker can show. */
export function isFixed(value: unknown): boolean {
  return /^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2})?)?$/.test(fixedOf(value))
}

/** An instant in Unix seconds as text in a zone, in the form that rules read. */
export function textOf(seconds: number, zone: string, days: boolean): string {
  const parts = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  }).formatToParts(new Date(seconds * 1000))
  const part = (type: string) => parts.find((one) => one.type === type)?.value ?? '00'
  const day = `${part('year')}-${part('month')}-${part('day')}`
  return days ? day : `${day} ${part('hour')}:${part('minute')}:${part('second')}`
}

/** A fixed time of a zone in Unix seconds; null for what is none. */
export function secondsOf(value: unknown, zone: string): number | null {
  const text = fixedOf(value)
  const found = /^(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2})?))?$/.exec(text)
  if (!found) return null
  const utc = Date.parse(`${found[1]}T${found[2] ?? '00:00:00'}Z`) / 1000
  if (Number.isNaN(utc)) return null
  // How far the zone is from UTC at about that time, looked at twice for the hours around a change of clocks.
  const offset = (at: number) => Date.parse(`${textOf(at, zone, false).replace(' ', 'T')}Z`) / 1000 - at
  return utc - offset(utc - offset(utc))
}
