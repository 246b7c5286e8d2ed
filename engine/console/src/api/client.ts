// The one way to the server: JSON over REST, refusals as `ApiProblem`, the caller's token, and whether the server is reachable.
import type { Problem } from './schema'

/** A refusal of the server, or that it could not be reached. */
export class ApiProblem extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail)
    this.name = 'ApiProblem'
  }

  get status(): number {
    return this.problem.status
  }

  /** The kind of problem, without its prefix: `bad_rule`, `conflict`, `denied` ... */
  get kind(): string {
    return this.problem.type.replace('urn:muster:problem:', '')
  }
}

/** The request was given up because nobody waits for its answer any more. */
export function isAborted(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}

/** What the client tells the rest of the console, and asks it. */
export interface Listener {
  /** The token to send, if there is one. */
  token(): string | null
  /** The name to send where the server asks for no token. */
  user(): string | null
  /** The server answered: it is there. */
  reached(): void
  /** The server could not be reached. */
  lost(): void
  /** The server wants a token, or another one. */
  unauthenticated(): void
}

let listener: Listener = {
  token: () => null,
  user: () => null,
  reached: () => undefined,
  lost: () => undefined,
  unauthenticated: () => undefined,
}

export function listen(to: Listener): void {
  listener = to
}

export interface Options {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Sent as JSON. */
  body?: unknown
  /** Sent as it is, of this type. */
  raw?: { content: BodyInit; type: string }
  query?: Record<string, string | number | boolean | string[] | null | undefined>
  signal?: AbortSignal | undefined
}

/** How long the server may be silent before it is asked whether it is there at all, in milliseconds. */
export const SILENCE_MS = 8_000
let wondering = false

/** A server that hangs closes no connection: only that it says nothing to the easiest of questions tells. */
async function wonder(): Promise<void> {
  if (wondering) return
  wondering = true
  try {
    await fetch('/healthz', { signal: AbortSignal.timeout(SILENCE_MS) })
  } catch {
    listener.lost()
  } finally {
    wondering = false
  }
}

/** Asks, and reads the JSON of the answer. */
export async function ask<T>(path: string, options: Options = {}): Promise<T> {
  const response = await send(path, options)
  if (response.status === 204) return undefined as T
  return parse(await response.text()) as T
}

/** The headers that say who asks. */
export function callerHeaders(): Record<string, string> {
  const token = listener.token()
  const user = listener.user()
  if (token) return { authorization: `Bearer ${token}` }
  if (user) return { 'x-muster-user': encodeURIComponent(user) === user ? user : encodeURIComponent(user) }
  return {}
}

/** Asks, and hands out the answer as it comes; refusals are thrown. */
export async function send(path: string, options: Options = {}): Promise<Response> {
  const headers = callerHeaders()
  let body: BodyInit | null = null
  if (options.raw) {
    headers['content-type'] = options.raw.type
    body = options.raw.content
  } else if (options.body !== undefined) {
    headers['content-type'] = 'application/json'
    body = stringify(options.body)
  }
  let response: Response
  const silence = setTimeout(() => void wonder(), SILENCE_MS)
  try {
    response = await fetch(path + query(options.query), {
      method: options.method ?? (body === null ? 'GET' : 'POST'),
      headers,
      body,
      signal: options.signal ?? null,
    })
  } catch (error) {
    if (isAborted(error)) throw error
    listener.lost()
    throw new ApiProblem(unreachable(path))
  } finally {
    clearTimeout(silence)
  }
  // A proxy in between answers in the server's place when it is gone.
  if (response.status === 502 || (response.status === 504 && !isProblem(response))) {
    listener.lost()
    throw new ApiProblem(unreachable(path))
  }
  listener.reached()
  if (response.ok) return response
  const problem = await problemOf(response, path)
  if (problem.status === 401) listener.unauthenticated()
  throw new ApiProblem(problem)
}

function isProblem(response: Response): boolean {
  return (response.headers.get('content-type') ?? '').startsWith('application/problem+json')
}

async function problemOf(response: Response, path: string): Promise<Problem> {
  if (isProblem(response)) return parse(await response.text()) as Problem
  return {
    type: 'urn:muster:problem:other',
    title: response.statusText,
    status: response.status,
    detail: `${path} answered ${response.status} ${response.statusText}`,
    instance: path,
    request_id: response.headers.get('x-request-id') ?? '',
  }
}

function unreachable(path: string): Problem {
  return {
    type: 'urn:muster:problem:unreachable',
    title: 'The server cannot be reached',
    status: 0,
    detail: 'The server cannot be reached. This page tries again by itself.',
    instance: path,
    request_id: '',
  }
}

function query(given: Options['query']): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(given ?? {})) {
    if (value === null || value === undefined || value === '') continue
    for (const one of Array.isArray(value) ? value : [value]) parameters.append(name, String(one))
  }
  const text = parameters.toString()
  return text === '' ? '' : `?${text}`
}

type Reviver = (this: unknown, key: string, value: unknown, context?: { source?: string }) => unknown

/** Reads JSON; whole numbers that a JavaScript number cannot hold stay exact, as text. */
export function parse(text: string): unknown {
  if (!/\d{16}/.test(text)) return JSON.parse(text)
  const exact: Reviver = (_key, value, context) => {
    const unsafe = typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
    return unsafe && context?.source && /^-?\d+$/.test(context.source) ? context.source : value
  }
  return JSON.parse(text, exact)
}

/** A user's id in a request: as a number, whatever its length. */
export function exactId(id: string | number): unknown {
  const number = Number(id)
  if (Number.isSafeInteger(number)) return number
  const raw = (JSON as unknown as { rawJSON?: (text: string) => unknown }).rawJSON
  return raw ? raw(String(id)) : number
}

function stringify(body: unknown): string {
  return JSON.stringify(body)
}
