// What the server serves: its columns, the generation in service, its state. Looked at again every few seconds.
import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import * as api from '@/api'
import { fieldsOf, type Field } from '@/rule/fields'

const LOOK_AGAIN_MS = 5_000

export const useStore = defineStore('store', () => {
  const status = shallowRef<api.StatusAnswer | null>(null)
  const schema = shallowRef<api.SchemaAnswer | null>(null)
  const problem = ref<unknown>(null)
  let timer: ReturnType<typeof setTimeout> | undefined

  const generation = computed(() => status.value?.generation ?? null)
  const universe = computed(() => status.value?.users ?? null)
  const fields = computed<Field[]>(() => (schema.value ? fieldsOf(schema.value) : []))
  const byName = computed(() => new Map(fields.value.map((field) => [field.name, field])))

  async function look(): Promise<void> {
    try {
      status.value = await api.status()
      if (status.value.ready && schema.value?.generation !== status.value.generation) schema.value = await api.schema()
      problem.value = null
    } catch (error) {
      problem.value = error
    }
  }

  /** Looks now, and again as long as the page is open. */
  async function follow(): Promise<void> {
    clearTimeout(timer)
    if (!document.hidden || status.value === null) await look()
    timer = setTimeout(follow, LOOK_AGAIN_MS)
  }

  return { status, schema, problem, generation, universe, fields, byName, look, follow }
})
