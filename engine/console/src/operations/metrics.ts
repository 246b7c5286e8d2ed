// Reads the server's measurements (Prometheus' text format) and makes rates and latencies of two readings.

export interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

/** How often requests of a method were answered, how fast, and how they ended. */
export interface MethodCounts {
  /** Upper bounds in seconds, ascending, the last one infinite; how many requests took at most so long. */
  bounds: number[]
  cumulative: number[]
  sum: number
  count: number
  /** By gRPC's name of how they ended. */
  codes: Record<string, number>
}

/** One look at the measurements. */
export interface Reading {
  /** When, in milliseconds. */
  at: number
  methods: Map<string, MethodCounts>
  /** Requests that were refused because too many waited. */
  shed: number
  cache: Record<string, { hits: number; misses: number }>
  /** All that is one number without labels. */
  values: Record<string, number>
}

/** What two readings say of a method. */
export interface Traffic {
  requests: number
  /** A second. */
  rate: number
  /** Ended badly for a reason of the server's, a second. */
  failed: number
  /** Refused for a reason of the caller's, a second. */
  refused: number
  /** Seconds; null where nothing was asked. */
  p50: number | null
  p99: number | null
}

const FAILED = new Set(['INTERNAL', 'UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED', 'UNKNOWN', 'DATA_LOSS'])
const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(NaN|[+-]?(?:Inf|[\d.eE+-]+))(?:\s|$)/
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g

function numberOf(text: string): number {
  if (text === '+Inf') return Infinity
  if (text === '-Inf') return -Infinity
  return Number(text)
}

/** The samples of a document; what is no sample is passed over. */
export function parseMetrics(text: string): Sample[] {
  const samples: Sample[] = []
  for (const line of text.split('\n')) {
    const found = line.startsWith('#') ? null : LINE.exec(line)
    if (!found) continue
    const labels: Record<string, string> = {}
    for (const [, name, value] of (found[2] ?? '').matchAll(LABEL)) {
      labels[name!] = value!.replace(/\\(.)/g, (_all, sign: string) => (sign === 'n' ? '\n' : sign))
    }
    samples.push({ name: found[1]!, labels, value: numberOf(found[3]!) })
  }
  return samples
}

function emptyCounts(): MethodCounts {
  return { bounds: [], cumulative: [], sum: 0, count: 0, codes: {} }
}

/** What the console shows of a document. */
export function readMetrics(text: string, at: number): Reading {
  const reading: Reading = { at, methods: new Map(), shed: 0, cache: {}, values: {} }
  const method = (name: string): MethodCounts => {
    const known = reading.methods.get(name) ?? emptyCounts()
    reading.methods.set(name, known)
    return known
  }
  const cache = (name: string) => (reading.cache[name] ??= { hits: 0, misses: 0 })
  for (const { name, labels, value } of parseMetrics(text)) {
    switch (name) {
      case 'muster_request_seconds_bucket': {
        const counts = method(labels.method ?? '')
        counts.bounds.push(numberOf(labels.le ?? '+Inf'))
        counts.cumulative.push(value)
        break
      }
      case 'muster_request_seconds_sum':
        method(labels.method ?? '').sum = value
        break
      case 'muster_request_seconds_count':
        method(labels.method ?? '').count = value
        break
      case 'muster_requests_total':
        method(labels.method ?? '').codes[labels.code ?? ''] = value
        break
      case 'muster_pool_shed_total':
        reading.shed += value
        break
      case 'muster_cache_hits_total':
        cache(labels.cache ?? '').hits = value
        break
      case 'muster_cache_misses_total':
        cache(labels.cache ?? '').misses = value
        break
      default:
        if (Object.keys(labels).length === 0) reading.values[name] = value
    }
  }
  return reading
}

/** How much a counter grew. A server that was started again counts from nothing. */
export function grown(before: number | undefined, after: number): number {
  return before === undefined || after < before ? after : after - before
}

function difference(before: MethodCounts | undefined, after: MethodCounts): MethodCounts {
  const old = before && before.count <= after.count ? before : undefined
  return {
    bounds: after.bounds,
    cumulative: after.cumulative.map((value, index) => grown(old?.cumulative[index], value)),
    sum: grown(old?.sum, after.sum),
    count: grown(old?.count, after.count),
    codes: Object.fromEntries(Object.entries(after.codes).map(([code, value]) => [code, grown(old?.codes[code], value)])),
  }
}

/** The counts of several methods as those of one. */
export function together(all: Iterable<MethodCounts>): MethodCounts {
  const sum = emptyCounts()
  for (const one of all) {
    if (one.bounds.length > sum.bounds.length) sum.bounds = one.bounds
    one.cumulative.forEach((value, index) => (sum.cumulative[index] = (sum.cumulative[index] ?? 0) + value))
    sum.sum += one.sum
    sum.count += one.count
    for (const [code, value] of Object.entries(one.codes)) sum.codes[code] = (sum.codes[code] ?? 0) + value
  }
  return sum
}

/** A quantile of a histogram, evenly spread inside its bucket, as Prometheus has it; null of nothing. */
export function quantile(q: number, bounds: readonly number[], cumulative: readonly number[]): number | null {
  const total = cumulative.at(-1) ?? 0
  if (total <= 0) return null
  const rank = q * total
  const index = cumulative.findIndex((value) => value >= rank)
  const upper = bounds[index] ?? Infinity
  // Beyond the last bound nobody knows how far.
  if (!Number.isFinite(upper)) return bounds.filter(Number.isFinite).at(-1) ?? null
  const lower = index > 0 ? (bounds[index - 1] ?? 0) : 0
  const below = index > 0 ? (cumulative[index - 1] ?? 0) : 0
  const inside = (cumulative[index] ?? 0) - below
  return inside > 0 ? lower + ((upper - lower) * (rank - below)) / inside : upper
}

function trafficOf(counts: MethodCounts, seconds: number): Traffic {
  let failed = 0
  let refused = 0
  let ended = 0
  for (const [code, value] of Object.entries(counts.codes)) {
    ended += value
    if (FAILED.has(code)) failed += value
    else if (code !== 'OK') refused += value
  }
  const requests = Math.max(ended, counts.count)
  const span = Math.max(seconds, 0.001)
  return {
    requests,
    rate: requests / span,
    failed: failed / span,
    refused: refused / span,
    p50: quantile(0.5, counts.bounds, counts.cumulative),
    p99: quantile(0.99, counts.bounds, counts.cumulative),
  }
}

/** The traffic between two readings; of one method, or of all together. Without a first one since the server's start. */
export function traffic(before: Reading | null, after: Reading, method?: string): Traffic {
  const counts = [...after.methods]
    .filter(([name]) => method === undefined || name === method)
    .map(([name, now]) => difference(before?.methods.get(name), now))
  return trafficOf(together(counts), secondsBetween(before, after))
}

/** The traffic of each method that was asked, the busiest first. */
export function trafficByMethod(before: Reading | null, after: Reading): { method: string; traffic: Traffic }[] {
  return [...after.methods.keys()]
    .map((method) => ({ method, traffic: traffic(before, after, method) }))
    .filter((row) => row.traffic.requests > 0)
    .sort((a, b) => b.traffic.requests - a.traffic.requests || a.method.localeCompare(b.method))
}

function secondsBetween(before: Reading | null, after: Reading): number {
  if (before) return (after.at - before.at) / 1_000
  const started = after.values.process_start_time_seconds
  return started === undefined ? 1 : after.at / 1_000 - started
}

/** What share of questions was answered from a cache; null if nothing was asked. */
export function hitShare(before: Reading | null, after: Reading, name: string): number | null {
  const now = after.cache[name]
  if (!now) return null
  const hits = grown(before?.cache[name]?.hits, now.hits)
  const asked = hits + grown(before?.cache[name]?.misses, now.misses)
  return asked > 0 ? hits / asked : null
}
