// Numbers, shares, sizes and times as people read them, in the language chosen.
import { i18n } from './i18n'

const locale = () => i18n.global.locale.value as string

/** Formats are dear to make and cheap to use: each is made once a language. */
function kept<F, O>(make: (locale: string, options: O) => F): (options: O) => F {
  const made = new Map<string, F>()
  return (options) => {
    const key = `${locale()} ${JSON.stringify(options)}`
    let format = made.get(key)
    if (format === undefined) {
      format = make(locale(), options)
      made.set(key, format)
    }
    return format
  }
}
const numbers = kept((of, options: Intl.NumberFormatOptions) => new Intl.NumberFormat(of, options))
const times = kept((of, options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(of, options))
const distances = kept((of, options: Intl.RelativeTimeFormatOptions) => new Intl.RelativeTimeFormat(of, options))

/** 1234567 as 1,234,567. */
export function number(value: number | null | undefined, digits = 0): string {
  if (value === null || value === undefined) return '–'
  return numbers({ maximumFractionDigits: digits }).format(value)
}

/** 1234567 as 1.2M. */
export function short(value: number): string {
  return numbers({ notation: 'compact', maximumFractionDigits: 1 }).format(value)
}

/** +1,234 or −1,234. */
export function change(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  if (value === 0) return '±0'
  return `${value > 0 ? '+' : '−'}${number(Math.abs(value))}`
}

/** 0.0321 as 3.21 %; small shares keep two digits that say something. */
export function share(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  const percent = value * 100
  if (percent === 0) return '0 %'
  if (percent < 0.01) return '< 0.01 %'
  const digits = percent < 1 ? 2 : percent < 99.95 ? 1 : 2
  return `${numbers({ maximumFractionDigits: digits }).format(percent)} %`
}

export function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let size = value
  let unit = 0
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit += 1
  }
  return `${number(size, size < 10 && unit > 0 ? 1 : 0)} ${units[unit]}`
}

/** A time of the engine or of a request: µs, ms or s, whichever reads best. */
export function took(micros: number): string {
  const t = i18n.global.t
  if (micros < 1_000) return t('unit.micros', { n: number(micros) })
  if (micros < 1_000_000) return t('unit.millis', { n: number(micros / 1_000, micros < 10_000 ? 1 : 0) })
  return t('unit.seconds', { n: number(micros / 1_000_000, 1) })
}

/** An instant as date and time in the reader's own zone. */
export function time(at: string | number | Date | null | undefined): string {
  if (at === null || at === undefined) return '–'
  return times({ dateStyle: 'medium', timeStyle: 'short' }).format(new Date(at))
}

export function day(at: string | number | Date): string {
  return times({ dateStyle: 'medium' }).format(new Date(at))
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]

/** How long ago, or how far ahead: "3 hours ago". */
export function fromNow(at: string | number | Date, now: number = Date.now()): string {
  const seconds = (new Date(at).getTime() - now) / 1_000
  const format = distances({ numeric: 'auto' })
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return format.format(Math.trunc(seconds / length), unit)
  }
  return format.format(Math.trunc(seconds), 'second')
}

/** Edges of times nearer than this are told by their distance, in seconds. */
const NEAR_S = 172_800

/** An edge of a bar: a number, or a time in Unix seconds as seen from `now`, in milliseconds. */
export function edge(at: number, isTime: boolean, now: number): string {
  if (!isTime) return Math.abs(at) >= 10_000 ? short(at) : number(at, 2)
  return Math.abs(now / 1_000 - at) < NEAR_S ? fromNow(at * 1_000, now) : day(at * 1_000)
}

/** A value of a feature. */
export function value(given: unknown): string {
  if (given === null || given === undefined) return i18n.global.t('unit.noValue')
  if (typeof given === 'boolean') return i18n.global.t(given ? 'action.yes' : 'action.no')
  if (typeof given === 'number') return number(given, 4)
  if (typeof given === 'string') return /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/.test(given) ? time(given) : given
  if (Array.isArray(given)) return given.map(value).join(', ')
  return JSON.stringify(given)
}
