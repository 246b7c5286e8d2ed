import { afterEach, describe, expect, it, vi } from 'vitest'
import { ApiProblem, ask, exactId, listen, parse, SILENCE_MS } from './client'

afterEach(() => vi.unstubAllGlobals())

describe('ids', () => {
  it('of more digits than a number holds stay exact', () => {
    const text = '{"user_id":18446744073709551615,"share":0.1234567890123456789,"small":7}'
    const read = parse(text) as Record<string, unknown>
    expect(read['small']).toBe(7)
    expect(typeof read['share']).toBe('number')
    // Where the engine tells the source of numbers, as every browser that the console is made for does.
    const told = 'rawJSON' in JSON
    expect(read['user_id']).toBe(told ? '18446744073709551615' : 18446744073709551616)
    if (told) expect(JSON.stringify({ id: exactId('18446744073709551615') })).toBe('{"id":18446744073709551615}')
    expect(exactId('42')).toBe(42)
  })
})

describe('the client', () => {
  const heard = { reached: vi.fn(), lost: vi.fn(), unauthenticated: vi.fn() }
  const respond = (body: string, status: number, type: string) =>
    vi.stubGlobal('fetch', async () => new Response(body, { status, headers: { 'content-type': type } }))
  listen({ token: () => null, user: () => 'ana', ...heard })

  it('throws what the server refuses, as it says it', async () => {
    respond('{"type":"urn:muster:problem:conflict","status":409,"detail":"changed","current":{"version":3}}', 409, 'application/problem+json')
    const problem = await ask('/x').catch((error: unknown) => error as ApiProblem)
    expect(problem).toBeInstanceOf(ApiProblem)
    expect((problem as ApiProblem).kind).toBe('conflict')
  })

  it('says that the server is gone when nothing answers', async () => {
    vi.stubGlobal('fetch', async () => {
      throw new TypeError('failed to fetch')
    })
    await expect(ask('/x')).rejects.toMatchObject({ kind: 'unreachable' })
    expect(heard.lost).toHaveBeenCalled()
  })

  it('says so too when it is silent, even to the easiest question', async () => {
    vi.useFakeTimers()
    heard.lost.mockClear()
    let answered = (_: Response) => {}
    const asked: string[] = []
    vi.stubGlobal('fetch', (path: string, { signal }: { signal: AbortSignal | null }) => {
      asked.push(path)
      return new Promise<Response>((resolve, reject) => {
        if (path === '/x') answered = resolve
        signal?.addEventListener('abort', () => reject(signal.reason as Error))
      })
    })
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
      const given = new AbortController()
      setTimeout(() => given.abort(new DOMException('late', 'TimeoutError')), ms)
      return given.signal
    })
    const answer = ask('/x')
    await vi.advanceTimersByTimeAsync(SILENCE_MS * 2 - 1)
    expect(asked).toEqual(['/x', '/healthz'])
    expect(heard.lost).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(1)
    expect(heard.lost).toHaveBeenCalledOnce()
    // What was asked is still answered when it wakes.
    answered(new Response('{"late":true}'))
    expect(await answer).toEqual({ late: true })
    vi.useRealTimers()
    vi.restoreAllMocks()
  })

  it('asks for a token when the server does', async () => {
    respond('{"type":"urn:muster:problem:unauthenticated","status":401,"detail":"who?"}', 401, 'application/problem+json')
    await ask('/x').catch(() => undefined)
    expect(heard.unauthenticated).toHaveBeenCalled()
  })

  it('tells an answer that is no problem document by its status', async () => {
    respond('<html>', 500, 'text/html')
    await expect(ask('/x')).rejects.toMatchObject({ status: 500 })
  })
})
