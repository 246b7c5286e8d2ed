// Where values are on a histogram whose bars have equal width on the page, whatever their width in the data.

export interface Bin {
  low: number
  high: number
  count: number
}

/** A value's place on the page, from 0 to 1. */
export function placeOf(value: number, bins: Bin[]): number {
  const first = bins[0]
  const last = bins.at(-1)
  if (!first || !last) return 0
  if (value <= first.low) return 0
  if (value >= last.high) return 1
  const index = bins.findIndex((bin) => value < bin.high)
  const bin = bins[index]!
  return (index + (value - bin.low) / (bin.high - bin.low || 1)) / bins.length
}

/** The edge of a bar nearest to a place on the page. */
export function edgeAt(place: number, bins: Bin[]): number {
  const index = Math.round(Math.min(Math.max(place, 0), 1) * bins.length)
  return index < bins.length ? bins[index]!.low : (bins.at(-1)?.high ?? 0)
}

/** Which part of the page a condition selects: from one place to another, or outside of that. */
export interface Selection {
  from: number
  to: number
  outside: boolean
}

/** The part that an operator with these ends selects; null where there is nothing to shade. */
export function selectionOf(operator: string, low: number | null, high: number | null, bins: Bin[]): Selection | null {
  const at = (value: number) => placeOf(value, bins)
  const part = (from: number, to: number, outside = false): Selection => ({ from, to, outside })
  switch (operator) {
    case '>=':
    case '>':
      return low === null ? null : part(at(low), 1)
    case '<=':
    case '<':
      return low === null ? null : part(0, at(low))
    case '=':
      return low === null ? null : part(at(low), at(low))
    case 'between':
      return low === null || high === null ? null : part(at(low), at(high))
    case 'notBetween':
      return low === null || high === null ? null : part(at(low), at(high), true)
    default:
      return null
  }
}
