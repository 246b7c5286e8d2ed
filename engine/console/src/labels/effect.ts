// Asks, while a label is edited, what saving it would do; answers to older questions are dropped.
import { onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import * as api from '@/api'
import type { LabelForm } from './form'

/** How long typing rests before the server is asked, in milliseconds. */
const REST_MS = 350

/** `label` is the one that is edited, null for a new one. */
export function useEffect(label: () => api.Label | null, form: Ref<LabelForm>, active: () => boolean) {
  const effect = shallowRef<api.EffectAnswer | null>(null)
  const count = shallowRef<api.CountAnswer | null>(null)
  const problem = shallowRef<unknown>(null)
  const counting = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  let running: AbortController | null = null

  function stop(): void {
    clearTimeout(timer)
    running?.abort()
    running = null
    counting.value = false
  }
  function forget(): void {
    stop()
    effect.value = count.value = problem.value = null
  }

  async function ask(): Promise<void> {
    const mine = new AbortController()
    running = mine
    counting.value = true
    const of = label()
    const rule = form.value.rule.trim()
    try {
      if (of) {
        const status = form.value.enabled ? 'enabled' : 'disabled'
        const request: api.EffectRequest = {}
        if (!of.is_list && rule !== of.rule) request.rule = rule
        if (status !== of.status) request.status = status
        const answer = await api.previewLabel(of.id, request, mine.signal)
        if (running === mine) effect.value = answer
      } else {
        const answer = await api.count({ rule }, mine.signal)
        if (running === mine) count.value = answer
      }
      if (running === mine) problem.value = null
    } catch (error) {
      if (running !== mine || api.isAborted(error)) return
      problem.value = error
    } finally {
      if (running === mine) counting.value = false
    }
  }

  function changed(): void {
    stop()
    const of = label()
    const rule = form.value.rule.trim()
    const unchanged = of !== null && (of.is_list || rule === of.rule) && form.value.enabled === (of.status === 'enabled')
    if (!active() || unchanged || (rule === '' && !of?.is_list)) forget()
    else timer = setTimeout(() => void ask(), REST_MS)
  }

  watch([active, label, () => form.value.rule, () => form.value.enabled], changed, { immediate: true })
  onScopeDispose(stop)
  return { effect, count, problem, counting }
}
