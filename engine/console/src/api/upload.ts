// Uploads that tell how far they are, which fetch cannot.
import { ApiProblem, callerHeaders, parse } from './client'
import type { Problem } from './schema'

/** Sends `content`, and calls `sent` with the part of it that is on its way, from 0 to 1. */
export function upload<T>(
  path: string,
  of: { method: 'PUT' | 'POST'; content: Blob; type: string; sent: (part: number) => void; signal?: AbortSignal },
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    request.open(of.method, path)
    for (const [name, value] of Object.entries(callerHeaders())) request.setRequestHeader(name, value)
    request.setRequestHeader('content-type', of.type)
    request.upload.onprogress = (event) => of.sent(event.total > 0 ? event.loaded / event.total : 1)
    request.onload = () => {
      try {
        const answer = parse(request.responseText)
        if (request.status >= 200 && request.status < 300) resolve(answer as T)
        else reject(new ApiProblem(answer as Problem))
      } catch {
        reject(broken(path, request.status))
      }
    }
    request.onerror = () => reject(broken(path, 0))
    request.onabort = () => reject(new DOMException('given up', 'AbortError'))
    of.signal?.addEventListener('abort', () => request.abort())
    request.send(of.content)
  })
}

function broken(path: string, status: number): ApiProblem {
  return new ApiProblem({
    type: 'urn:muster:problem:unreachable',
    title: 'The upload broke off',
    status,
    detail: 'The upload broke off before the server answered. What was stored before is unchanged unless it had all of it; try again.',
    instance: path,
    request_id: '',
  })
}
