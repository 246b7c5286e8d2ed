// The charts that the console draws, and the colours that they are drawn in.
import { BarChart, LineChart } from 'echarts/charts'
import { GridComponent, LegendComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent } from 'echarts/components'
import { init, use, type EChartsCoreOption, type EChartsType } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'

use([BarChart, LineChart, GridComponent, LegendComponent, MarkAreaComponent, MarkLineComponent, TooltipComponent, SVGRenderer])

export type ChartOption = EChartsCoreOption
export type Chart = EChartsType

/** The theme's colours, by what they are for. */
export interface ChartColors {
  accent: string
  accentSoft: string
  grow: string
  shrink: string
  surface: string
  line: string
  text: string
  muted: string
}

export function begin(box: HTMLElement): Chart {
  return init(box, null, { renderer: 'svg' })
}

export function chartColors(): ChartColors {
  const style = getComputedStyle(document.documentElement)
  const of = (name: string) => style.getPropertyValue(`--m-${name}`).trim()
  return {
    accent: of('accent'),
    accentSoft: of('accent-soft'),
    grow: of('grow'),
    shrink: of('shrink'),
    surface: of('surface'),
    line: of('line'),
    text: of('text'),
    muted: of('muted'),
  }
}

/** What all charts look like: axes, tooltip, room around. */
export function chartBase(colors: ChartColors): ChartOption {
  // Widths of words are measured in the font that they are drawn in; `inherit` cannot be measured.
  const { fontFamily } = getComputedStyle(document.body)
  return {
    animationDuration: 250,
    color: [colors.accent, colors.grow, colors.shrink, colors.muted],
    textStyle: { fontFamily, color: colors.text },
    grid: { left: 8, right: 16, top: 16, bottom: 4, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
    tooltip: {
      trigger: 'axis',
      backgroundColor: colors.surface,
      borderColor: colors.line,
      textStyle: { color: colors.text, fontSize: 13 },
    },
  }
}

/** An axis of one: quiet lines, readable words. */
export function chartAxis(colors: ChartColors): Record<string, unknown> {
  return {
    axisLine: { lineStyle: { color: colors.line } },
    axisTick: { show: false },
    axisLabel: { color: colors.muted, fontSize: 12, hideOverlap: true },
    splitLine: { lineStyle: { color: colors.line } },
  }
}
