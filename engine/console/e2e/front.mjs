// Serves a console that was built into a folder, and hands questions on to the server: for trying the console without building the binary.
import { readFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { extname, join, normalize } from 'node:path'

const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.woff2': 'font/woff2' }

export class Front {
  /** `isThere` says whether the server runs: without it there is no console either, as when it is in the binary. */
  static async open(folder, port, isThere) {
    const front = new Front()
    front.server = createServer((asked, answer) => {
      if (!isThere()) return asked.socket.destroy()
      const { pathname } = new URL(asked.url, 'http://front')
      if (/^\/(api|healthz|readyz|metrics)\b/.test(pathname)) return handOn(asked, answer, port)
      return file(folder, pathname, answer)
    })
    await new Promise((resolve) => front.server.listen(0, '127.0.0.1', resolve))
    front.url = `http://127.0.0.1:${front.server.address().port}`
    return front
  }

  close() {
    this.server.closeAllConnections()
    this.server.close()
  }
}

function handOn(asked, answer, port) {
  const { method, headers, url } = asked
  const onward = request({ host: '127.0.0.1', port, path: url, method, headers }, (told) => {
    answer.writeHead(told.statusCode, told.headers)
    told.pipe(answer)
  })
  // As a browser would see it without anybody in between.
  onward.on('error', () => answer.destroy())
  asked.pipe(onward)
}

async function file(folder, pathname, answer) {
  const wanted = extname(pathname) ? pathname : '/index.html'
  try {
    const content = await readFile(join(folder, normalize(wanted)))
    answer.writeHead(200, { 'content-type': TYPES[extname(wanted)] ?? 'application/octet-stream' })
    answer.end(content)
  } catch {
    answer.writeHead(404)
    answer.end()
  }
}
