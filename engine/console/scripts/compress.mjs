// Writes a brotli and a gzip form beside each file of a folder, where that is worth it: `node compress.mjs FOLDER`.
// The server sends them as they are, so that nothing is compressed while somebody waits.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

// A form that saves less than this share is not worth its place in the binary.
const SAVES_AT_LEAST = 0.05

const forms = {
  '.br': (bytes) =>
    promisify(brotliCompress)(bytes, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
        [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
      },
    }),
  '.gz': (bytes) => promisify(gzip)(bytes, { level: constants.Z_BEST_COMPRESSION }),
}

const folder = process.argv[2]
if (!folder) {
  console.error('give the folder whose files are to be compressed')
  process.exit(2)
}

const entries = await readdir(folder, { recursive: true, withFileTypes: true })
const files = entries.filter((entry) => entry.isFile() && !Object.keys(forms).some((end) => entry.name.endsWith(end)))
await Promise.all(
  files.map(async (entry) => {
    const path = join(entry.parentPath ?? entry.path, entry.name)
    const bytes = await readFile(path)
    for (const [end, compress] of Object.entries(forms)) {
      const smaller = await compress(bytes)
      if (smaller.length < bytes.length * (1 - SAVES_AT_LEAST)) {
        await writeFile(path + end, smaller)
      }
    }
  }),
)
