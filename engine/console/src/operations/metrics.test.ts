// Reading measurements, rates and quantiles of their differences.
import { describe, expect, it } from 'vitest'
import { series } from './drawing'
import { grown, hitShare, parseMetrics, quantile, readMetrics, traffic, trafficByMethod } from './metrics'
import { readingBefore, withReading } from './traffic'

const document = (count: number, fast: number, slow: number, failed = 0) => `# HELP muster_request_seconds How long
# TYPE muster_request_seconds histogram
muster_request_seconds_bucket{method="Count",le="0.001"} ${fast}
muster_request_seconds_bucket{method="Count",le="0.01"} ${fast + slow}
muster_request_seconds_bucket{method="Count",le="+Inf"} ${count}
muster_request_seconds_sum{method="Count"} 1.5
muster_request_seconds_count{method="Count"} ${count}
muster_request_seconds_count{method="Status"} 0
muster_requests_total{method="Count",code="OK"} ${count - failed}
muster_requests_total{method="Count",code="DEADLINE_EXCEEDED"} ${failed}
muster_pool_shed_total{pool="heavy"} 3
muster_pool_shed_total{pool="compiling"} 1
muster_cache_hits_total{cache="counts"} 30
muster_cache_misses_total{cache="counts"} 10
process_start_time_seconds 1000
process_resident_memory_bytes 5.24288e+07
`

describe('the text format', () => {
  it('is read with labels, escapes and special numbers', () => {
    expect(parseMetrics('a{x="1, \\"two\\"",y="\\\\"} +Inf 1700000000\n# a 5\n\nb 1e3\nno sample')).toEqual([
      { name: 'a', labels: { x: '1, "two"', y: '\\' }, value: Infinity },
      { name: 'b', labels: {}, value: 1000 },
    ])
  })

  it('becomes a reading', () => {
    const reading = readMetrics(document(10, 6, 3), 5_000)
    expect(reading.methods.get('Count')).toMatchObject({ bounds: [0.001, 0.01, Infinity], cumulative: [6, 9, 10], count: 10 })
    expect(reading.shed).toBe(4)
    expect(reading.values.process_resident_memory_bytes).toBe(52_428_800)
    expect(hitShare(null, reading, 'counts')).toBe(0.75)
    expect(hitShare(null, reading, 'nothing')).toBeNull()
  })
})

describe('quantiles', () => {
  it('lie evenly inside their bucket', () => {
    expect(quantile(0.5, [1, 2, 4, Infinity], [0, 10, 20, 20])).toBeCloseTo(2)
    expect(quantile(0.25, [1, 2, 4, Infinity], [0, 10, 20, 20])).toBeCloseTo(1.5)
    expect(quantile(0.75, [1, 2, 4, Infinity], [0, 10, 20, 20])).toBeCloseTo(3)
  })

  it('stop at the last bound, and are nothing of nothing', () => {
    expect(quantile(0.99, [1, 2, Infinity], [0, 0, 5])).toBe(2)
    expect(quantile(0.5, [1, Infinity], [0, 0])).toBeNull()
    expect(quantile(0.5, [], [])).toBeNull()
  })
})

describe('traffic between two readings', () => {
  const before = readMetrics(document(100, 100, 0), 1_000_000)
  const after = readMetrics(document(150, 120, 30, 5), 1_010_000)

  it('has rates a second and latencies of what came in between', () => {
    const found = traffic(before, after)
    expect(found).toMatchObject({ requests: 50, rate: 5, failed: 0.5, refused: 0 })
    expect(found.p50).toBeCloseTo(0.0025)
  })

  it('leaves out methods that nobody asked', () => {
    expect(trafficByMethod(before, after).map((row) => row.method)).toEqual(['Count'])
  })

  it('counts from nothing after a restart', () => {
    expect(grown(100, 5)).toBe(5)
    expect(traffic(after, { ...readMetrics(document(7, 7, 0), 1_020_000) }).requests).toBe(7)
  })

  it('is that since the start without a reading before', () => {
    expect(traffic(null, { ...before, at: 1_100_000 }).rate).toBeCloseTo(1)
  })
})

describe('the last ten minutes', () => {
  const at = (seconds: number) => readMetrics(document(seconds, seconds, 0), seconds * 1_000)

  it('forget what is older', () => {
    const kept = [0, 300, 600].map(at).reduce(withReading, [] as ReturnType<typeof at>[])
    expect(withReading(kept, at(605)).map((one) => one.at)).toEqual([300_000, 600_000, 605_000])
  })

  it('have the reading of so long ago', () => {
    const kept = [0, 30, 60, 90].map(at)
    expect(readingBefore(kept, 60_000)?.at).toBe(30_000)
    expect(readingBefore(kept, 1_000)?.at).toBe(60_000)
    expect(readingBefore(kept.slice(0, 1), 60_000)).toBeNull()
  })

  it('are points, with a gap where nobody looked', () => {
    const points = series([0, 5, 300, 305].map(at))
    expect(points.map((point) => [point.at, point.rate])).toEqual([
      [5_000, 1],
      [305_000, 1],
    ])
  })
})
