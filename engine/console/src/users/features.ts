// A user's features, in the order of the schema, sorted by how they are shown.
import { titleOf, type Field, type Kind } from '@/rule/fields'

export interface Feature {
  name: string
  title: string
  kind: Kind
  value: unknown
}

/** How features are shown: flags as chips, numbers and texts as pairs, and so on. */
export type Section = 'flags' | 'facts' | 'times' | 'arrays' | 'maps'

export interface FeatureGroup {
  section: Section
  features: Feature[]
}

const SECTION: Record<Kind, Section> = {
  bool: 'flags',
  number: 'facts',
  text: 'facts',
  user: 'facts',
  label: 'facts',
  bucket: 'facts',
  other: 'facts',
  time: 'times',
  array: 'arrays',
  map: 'maps',
}
const ORDER: Section[] = ['facts', 'flags', 'times', 'arrays', 'maps']

/** What a value looks like, where the schema does not know its column. */
function kindOfValue(value: unknown): Kind {
  if (typeof value === 'boolean') return 'bool'
  if (typeof value === 'number') return 'number'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'object' && value !== null) return 'map'
  return typeof value === 'string' ? 'text' : 'other'
}

/** The features of a user in groups; groups without any are left out. */
export function groupFeatures(features: Record<string, unknown>, fields: readonly Field[]): FeatureGroup[] {
  const place = new Map(fields.map((field, index) => [field.name, { field, index }]))
  const all = Object.entries(features).map(([name, value]) => {
    const known = place.get(name)
    const feature: Feature = {
      name,
      title: known?.field.title ?? titleOf(name),
      kind: known?.field.kind ?? kindOfValue(value),
      value,
    }
    return { feature, index: known?.index ?? fields.length }
  })
  all.sort((a, b) => a.index - b.index || a.feature.name.localeCompare(b.feature.name))
  return ORDER.map((section) => ({
    section,
    features: all.map((one) => one.feature).filter((feature) => SECTION[feature.kind] === section),
  })).filter((group) => group.features.length > 0)
}

/** The features whose name or title has a text in it, whatever its case. */
export function searchFeatures(groups: readonly FeatureGroup[], text: string): FeatureGroup[] {
  const wanted = text.trim().toLowerCase()
  if (wanted === '') return [...groups]
  const holds = (feature: Feature) => `${feature.name} ${feature.title}`.toLowerCase().includes(wanted)
  return groups
    .map((group) => ({ ...group, features: group.features.filter(holds) }))
    .filter((group) => group.features.length > 0)
}

/** The entries of a map, the greatest amount first, those with a text in their key. */
export function mapEntries(value: unknown, search = ''): [string, number][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return []
  const wanted = search.trim().toLowerCase()
  return Object.entries(value as Record<string, number>)
    .filter(([key]) => key.toLowerCase().includes(wanted))
    .sort(([a, x], [b, y]) => Number(y) - Number(x) || a.localeCompare(b))
}

const PREFERRED = ['country', 'last_active_time', 'has_poh', 'balance_usd', 'total_tx_count', 'active_chains', 'bot_warning']

/** The columns that a list of users shows until somebody chooses others. */
export function firstColumns(fields: readonly Field[]): string[] {
  const columns = fields.filter((field) => field.type !== '').map((field) => field.name)
  const preferred = PREFERRED.filter((name) => columns.includes(name))
  return preferred.length > 0 ? preferred : columns.slice(0, 6)
}
