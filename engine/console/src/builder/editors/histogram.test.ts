import { describe, expect, it } from 'vitest'
import { edgeAt, placeOf, selectionOf } from './histogram'

const bins = [
  { low: 0, high: 1, count: 5 },
  { low: 1, high: 10, count: 3 },
  { low: 10, high: 100, count: 2 },
  { low: 100, high: 1000, count: 1 },
]

describe('a histogram', () => {
  it('places values within their bar', () => {
    expect(placeOf(-5, bins)).toBe(0)
    expect(placeOf(0, bins)).toBe(0)
    expect(placeOf(10, bins)).toBe(0.5)
    expect(placeOf(55, bins)).toBe(0.625)
    expect(placeOf(5000, bins)).toBe(1)
  })

  it('finds the edge nearest to a place, and back', () => {
    for (const bin of bins) expect(edgeAt(placeOf(bin.low, bins), bins)).toBe(bin.low)
    expect(edgeAt(1, bins)).toBe(1000)
    expect(edgeAt(2, bins)).toBe(1000)
  })

  it('shades what a condition selects', () => {
    expect(selectionOf('>=', 10, null, bins)).toEqual({ from: 0.5, to: 1, outside: false })
    expect(selectionOf('<', 10, null, bins)).toEqual({ from: 0, to: 0.5, outside: false })
    expect(selectionOf('notBetween', 1, 10, bins)).toEqual({ from: 0.25, to: 0.5, outside: true })
    expect(selectionOf('between', 1, null, bins)).toBeNull()
    expect(selectionOf('in', 1, null, bins)).toBeNull()
  })
})
