// The charts of traffic: points between each two readings, and how they are drawn.
import { took } from '@/format'
import { chartAxis, chartBase, type ChartColors, type ChartOption } from '@/parts/charts'
import { traffic, type Reading } from './metrics'
import { KEPT_MS } from './traffic'

export interface Point {
  at: number
  rate: number
  failed: number
  /** Milliseconds; null where nothing was asked. */
  p50: number | null
  p99: number | null
}

/** Longer than this between two readings, and nobody looked: the line has a gap. */
const GAP_MS = 30_000

/** What was measured between each two readings. */
export function series(readings: readonly Reading[], method?: string): Point[] {
  const points: Point[] = []
  readings.forEach((after, index) => {
    const before = readings[index - 1]
    if (!before || after.at - before.at > GAP_MS) return
    const one = traffic(before, after, method)
    const ms = (seconds: number | null) => (seconds === null ? null : seconds * 1_000)
    points.push({ at: after.at, rate: one.rate, failed: one.failed, p50: ms(one.p50), p99: ms(one.p99) })
  })
  return points
}

type Line = { name: string; values: [number, number | null][]; color: string }

/** From where to where the charts go: ten minutes at most, two at least. */
function range(points: readonly Point[]): { min: number; max: number } {
  const max = points.at(-1)?.at ?? Date.now()
  const first = points[0]?.at ?? max
  return { min: Math.max(max - KEPT_MS, Math.min(first, max - 120_000)), max }
}

function lines(colors: ChartColors, all: Line[], unit: Record<string, unknown>, span: { min: number; max: number }): ChartOption {
  const base = chartBase(colors)
  return {
    ...base,
    animation: false,
    legend: { top: 0, right: 8, icon: 'roundRect', itemWidth: 12, itemHeight: 4, textStyle: { color: colors.muted, fontSize: 12 } },
    grid: { ...(base.grid as object), top: 30 },
    xAxis: { type: 'time', ...span, splitNumber: 5, ...chartAxis(colors), splitLine: { show: false } },
    yAxis: { type: 'value', min: 0, splitNumber: 3, ...chartAxis(colors), ...unit },
    series: all.map((line) => ({
      type: 'line',
      name: line.name,
      data: line.values,
      color: line.color,
      showSymbol: line.values.length < 3,
      symbolSize: 4,
      lineStyle: { width: 1.8 },
    })),
  }
}

export function rateChart(points: readonly Point[], names: { requests: string; failed: string }) {
  const span = range(points)
  return (colors: ChartColors): ChartOption =>
    lines(
      colors,
      [
        { name: names.requests, values: points.map((point) => [point.at, round(point.rate)]), color: colors.accent },
        { name: names.failed, values: points.map((point) => [point.at, round(point.failed)]), color: colors.shrink },
      ],
      { minInterval: 0.2 },
      span,
    )
}

export function latencyChart(points: readonly Point[], names: { p50: string; p99: string }) {
  const span = range(points)
  const asTime = (ms: number) => took(ms * 1_000)
  return (colors: ChartColors): ChartOption => {
    const option = lines(
      colors,
      [
        { name: names.p50, values: points.map((point) => [point.at, point.p50]), color: colors.accent },
        { name: names.p99, values: points.map((point) => [point.at, point.p99]), color: colors.muted },
      ],
      {},
      span,
    )
    const axis = chartAxis(colors)
    return {
      ...option,
      yAxis: { type: 'value', min: 0, splitNumber: 3, ...axis, axisLabel: { ...(axis.axisLabel as object), formatter: asTime } },
      tooltip: {
        ...(option.tooltip as object),
        valueFormatter: (value: unknown) => (typeof value === 'number' ? asTime(value) : '–'),
      },
    }
  }
}

const round = (value: number) => Math.round(value * 100) / 100
