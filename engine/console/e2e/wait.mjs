// Waits for what has to become true; there are no fixed sleeps.
const LONGEST_MS = 20_000

export async function until(what, condition, longest = LONGEST_MS) {
  const end = performance.now() + longest
  let last
  for (;;) {
    try {
      last = await condition()
      if (last) return last
    } catch (error) {
      if (performance.now() > end) throw error
      last = error
    }
    if (performance.now() > end) throw new Error(`waited ${longest / 1000} s in vain until ${what}; at last: ${String(last)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

export function equal(what, found, wanted) {
  if (JSON.stringify(found) !== JSON.stringify(wanted)) {
    throw new Error(`${what}: found ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`)
  }
}

export function holds(what, found) {
  if (!found) throw new Error(what)
}
