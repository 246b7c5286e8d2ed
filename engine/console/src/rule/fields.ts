// The fields of rules: what kind each is, which operators fit it, and how it is told to people.
import type { SchemaAnswer, SchemaColumn } from '@/api'

/** What a field is to an editor. */
export type Kind = 'bool' | 'number' | 'text' | 'time' | 'array' | 'map' | 'label' | 'bucket' | 'user' | 'other'

export interface Field {
  /** As rules name it. */
  name: string
  /** As people read it. */
  title: string
  kind: Kind
  /** The type in ClickHouse's words; empty for what is no column. */
  type: string
  nullable: boolean
  /** Whether it takes whole numbers only. */
  whole: boolean
  /** Whether it holds days rather than instants. */
  days: boolean
}

/** What a field of a rule refers to. */
export type Reference =
  | { of: 'column'; column: string }
  | { of: 'key'; column: string; key: string }
  | { of: 'length'; column: string }

const WORDS: Record<string, string> = {
  kyc: 'KYC',
  poh: 'proof of humanity',
  usd: 'USD',
  nft: 'NFT',
  tx: 'transaction',
  erc20: 'ERC-20',
  id: 'ID',
  okx: 'OKX',
  babt: 'BABT',
  zkme: 'zkMe',
  '7d': '(7 days)',
  '30d': '(30 days)',
}
const NAMES = new Set(['binance', 'coinbase', 'bybit', 'gate', 'kucoin', 'galxe', 'twitter', 'discord', 'telegram'])

/** A column's name in words: `has_binance_kyc` is "Has Binance KYC". */
export function titleOf(name: string): string {
  const words = name.split('_').map((word) => {
    if (WORDS[word]) return WORDS[word]
    return NAMES.has(word) ? word.charAt(0).toUpperCase() + word.slice(1) : word
  })
  const text = words.filter((word) => word !== '').join(' ')
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** The editor of a column, by what the server says it holds: days are times, and what has no kind of its own is asked for as text. */
function kindOf(column: SchemaColumn): Kind {
  if (column.kind === 'date') return 'time'
  return column.kind === 'other' ? 'text' : column.kind
}

/** The fields of a schema, with those that every store has. */
export function fieldsOf(schema: SchemaAnswer): Field[] {
  const columns = schema.columns.map(
    (column): Field => ({
      name: column.name,
      title: titleOf(column.name),
      kind: kindOf(column),
      type: column.type,
      nullable: column.nullable,
      whole: /^U?Int/.test(column.type),
      days: column.kind === 'date',
    }),
  )
  const special = (name: string, kind: Kind): Field => ({
    name,
    title: name,
    kind,
    type: '',
    nullable: false,
    whole: kind === 'user',
    days: false,
  })
  return [special('label', 'label'), special('bucket', 'bucket'), special(schema.user_id, 'user'), ...columns]
}

/** Takes a field of a rule apart: a column, a key of a map, a length. */
export function referenceOf(field: string): Reference {
  const key = /^(.+)\['((?:[^'\\]|\\.|'')*)'\]$/s.exec(field)
  if (key?.[1] !== undefined && key[2] !== undefined) {
    return { of: 'key', column: key[1], key: key[2].replace(/\\(.)/gs, '$1').replace(/''/g, "'") }
  }
  const length = /^length\((.+)\)$/.exec(field)
  if (length?.[1] !== undefined) return { of: 'length', column: length[1] }
  return { of: 'column', column: field }
}

/** The field of a rule for a key of a map. */
export function keyField(column: string, key: string): string {
  return `${column}['${key.replace(/\\/g, '\\\\').replace(/'/g, "\\'")}']`
}

/** What kind of values a field of a rule has. */
export function kindOfReference(reference: Reference, field: Field | undefined): Kind {
  if (reference.of !== 'column') return 'number'
  return field?.kind ?? 'other'
}
